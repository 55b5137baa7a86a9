"""Training: it learns, stops, goes on exactly, and leaves whole files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from model.corpus import Corpus, Song
from model.errors import TrainingError, WeightsError
from model.training import Listener, Step, Training, TrainingConfig, Validation, learning_rate_at
from model.weights import Weights, load_weights

SMALL = TrainingConfig(
    tokenizer="char",
    embedding=8,
    hidden=16,
    layers=2,
    batch=8,
    steps=32,
    epochs=1,
    evaluations=3,
    threads=2,
)


class Recorder(Listener):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.validations: list[Validation] = []

    def stepped(self, step: Step) -> None:
        self.steps.append(step)

    def validated(self, validation: Validation, weights: Weights) -> None:
        self.validations.append(validation)


@pytest.fixture(scope="module")
def corpus(small_corpus: Corpus) -> Corpus:
    """Enough songs that some are held out, few enough to be quick."""
    held_out = small_corpus.part("validation")[:2]
    return Corpus(small_corpus.part("train")[:12] + held_out, duplicates=0)


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Asks to stop after so many steps."""
    left = iter([False] * (steps - 1))
    return lambda: next(left, True)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return dict(safetensors.numpy.load_file(folder / "last.safetensors"))


def test_the_loss_falls_and_the_best_validation_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    recorder = Recorder()
    best = Training(SMALL, corpus).run(tmp_path, recorder, never)
    assert recorder.steps[-1].nats_per_token < recorder.steps[0].nats_per_token - 0.5
    assert recorder.steps[-1].share == 1
    assert len(recorder.validations) == 3
    figures = [validation.evaluation.bits_per_character for validation in recorder.validations]
    assert best.bits_per_character == min(figures)
    saved = load_weights(tmp_path)
    assert saved.training["validation_bits_per_character"] == round(min(figures), 4)
    assert (tmp_path / "README.md").is_file()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("steps", [1, 7])
def test_a_run_that_was_stopped_and_resumed_ends_in_the_same_weights(
    corpus: Corpus, tmp_path: Path, steps: int
) -> None:
    Training(SMALL, corpus).run(tmp_path / "whole", Recorder(), never)
    Training(SMALL, corpus).run(tmp_path / "parts", Recorder(), after(steps))
    resumed = Training.resumed(tmp_path / "parts", corpus, {})
    assert resumed.progress.step == steps
    resumed.run(tmp_path / "parts", Recorder(), never)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)


def test_a_run_that_ends_inside_an_epoch_can_be_prolonged_from_there(
    corpus: Corpus, tmp_path: Path
) -> None:
    Training(replace(SMALL, epochs=0.5), corpus).run(tmp_path, Recorder(), never)
    longer = Training.resumed(tmp_path, corpus, {"epochs": 1.0})
    done = longer.progress
    assert longer.share == pytest.approx(0.5, abs=0.05)
    recorder = Recorder()
    longer.run(tmp_path, recorder, never)
    assert recorder.steps[0].number == done.step - len(recorder.steps) + 1
    assert len(recorder.steps) == pytest.approx(done.step / 2, abs=1)
    assert recorder.steps[-1].epoch == 1


def test_a_resumed_run_refuses_other_songs_and_other_sizes(corpus: Corpus, tmp_path: Path) -> None:
    Training(SMALL, corpus).run(tmp_path, Recorder(), after(1))
    with pytest.raises(TrainingError, match="other songs"):
        Training.resumed(tmp_path, Corpus(corpus.songs[:8], 0), {})
    with pytest.raises(TrainingError, match="hidden cannot change"):
        Training.resumed(tmp_path, corpus, {"hidden": 32})
    with pytest.raises(WeightsError, match="no run to resume"):
        Training.resumed(tmp_path / "elsewhere", corpus, {})


def test_training_from_other_weights_keeps_their_vocabulary_and_leaves_them_alone(
    corpus: Corpus, tmp_path: Path
) -> None:
    Training(SMALL, corpus).run(tmp_path / "first", Recorder(), never)
    first = load_weights(tmp_path / "first")
    before = {name: array.copy() for name, array in first.network.parameters.items()}
    songs = tuple(Song(None, "polka", f"Schön ist die Nacht {i}\n" * 20) for i in range(20))
    training = Training(replace(SMALL, hidden=99), Corpus(songs, 0), first)
    training.run(tmp_path / "second", Recorder(), never)
    second = load_weights(tmp_path / "second")
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
    assert second.network.config == first.network.config
    assert second.genres == tuple(sorted({*first.genres, "polka"}))
    for name, array in first.network.parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_training_with_one_thread_or_two_differs_only_by_rounding(
    corpus: Corpus, tmp_path: Path
) -> None:
    quick = replace(SMALL, epochs=0.2, dropout=0.0)
    Training(replace(quick, threads=1), corpus).run(tmp_path / "one", Recorder(), never)
    Training(quick, corpus).run(tmp_path / "two", Recorder(), never)
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=2e-4, err_msg=name)


def test_a_state_that_is_always_dropped_makes_every_segment_start_from_zero(
    corpus: Corpus, tmp_path: Path
) -> None:
    training = Training(replace(SMALL, drop_state=1.0, dropout=0.0), corpus)
    for layer in training.state:
        for array in layer:
            array[:] = 5.0
    training.progress.segment = 1
    training.run(tmp_path / "dropped", Recorder(), after(1))
    other = Training(replace(SMALL, drop_state=1.0, dropout=0.0), corpus)
    other.progress.segment = 1
    other.run(tmp_path / "zero", Recorder(), after(1))
    dropped, zero = tensors(tmp_path / "dropped"), tensors(tmp_path / "zero")
    for name, array in zero.items():
        np.testing.assert_array_equal(dropped[name], array, err_msg=name)


def test_too_little_text_is_refused_in_words() -> None:
    with pytest.raises(TrainingError, match="too little text"):
        Training(SMALL, Corpus((Song(None, None, "la la"),), 0))


def test_a_corpus_too_small_to_hold_songs_out_is_trained_on_and_says_so(tmp_path: Path) -> None:
    song = Song(None, None, "Rain on the road and rain on the roof\n" * 20)
    training = Training(SMALL, Corpus((song,), 0))
    assert not training.held_out
    training.run(tmp_path, Recorder(), never)
    assert load_weights(tmp_path).training["held_out"] is False


def test_a_loss_that_is_not_finite_stops_the_run_with_a_clear_line(
    corpus: Corpus, tmp_path: Path
) -> None:
    training = Training(SMALL, corpus)
    training.network.parameters["decoder.bias"][:] = np.nan
    with pytest.raises(TrainingError, match="no longer finite"):
        training.run(tmp_path, Recorder(), never)


@pytest.mark.parametrize(
    "changes",
    [{"hidden": 0}, {"learning_rate": -1.0}, {"dropout": 1.0}, {"tokenizer": "words"}],
)
def test_options_that_cannot_be_are_refused_by_name(
    corpus: Corpus, changes: dict[str, int | float | str]
) -> None:
    with pytest.raises(TrainingError, match=next(iter(changes))):
        Training(replace(SMALL, **changes), corpus)  # type: ignore[arg-type]


def test_the_learning_rate_warms_up_then_falls_as_a_cosine() -> None:
    rates = [learning_rate_at(share, 1.0) for share in np.linspace(0, 1, 101)]
    assert rates[0] < 0.2
    assert max(rates) == pytest.approx(1)
    assert rates.index(max(rates)) == 2
    assert rates[51] == pytest.approx(0.51, abs=0.01)
    assert rates[-1] == pytest.approx(0.02)
