"""What tests of every part share: a small real model, trained once a run."""

from pathlib import Path

import pytest
from hypothesis import settings

from model.corpus import Corpus, Song, read_corpus
from model.options import TrainingConfig
from model.task import songs_task
from model.training import Listener, Training

LYRICS = Path(__file__).parent.parent / "lyrics"

# the same examples on every run, however slow the machine
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def small_corpus() -> Corpus:
    """Some songs of two genres, held-out ones among them."""
    songs: tuple[Song, ...] = ()
    for genre in ("country", "shanty"):
        corpus = read_corpus(LYRICS / f"{genre}.txt")
        songs += corpus.part("train")[:35]
        songs += corpus.part("validation")[:2] + corpus.part("test")[:2]
    return Corpus(songs)


@pytest.fixture(scope="session")
def tiny_weights(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights that knows the genres country and shanty, and not much more."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    config = TrainingConfig(
        vocabulary=500,
        embedding=24,
        hidden=48,
        layers=1,
        batch=16,
        epochs=2,
        evaluations=1,
        processes=1,
    )
    Training(config, songs_task(config, small_corpus, folder)).run(
        folder, Listener(), lambda: False
    )
    return folder
