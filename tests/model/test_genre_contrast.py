"""Telling genres apart while training: what is read, its gradient, and that it is learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.corpus import Corpus, Song
from model.errors import TrainingError
from model.genre_contrast import AT_ONCE, Contrast, GenrePassages
from model.genre_scores import genre_nats, probabilities
from model.network import Network, NetworkConfig, initial_parameters
from model.options import TrainingConfig
from model.task import songs_task
from model.tokenizer import TEXT, CharacterTokenizer
from model.training import Listener, Training
from model.weights import load_weights

CHARACTERS = CharacterTokenizer("\nabcdefghijklmnopqrstuvwxyz []")
GENRES = ("blues", "country", "folk", "jazz", "rock")
SONGS = [Song(None, genre, f"[Verse]\n{genre} one\n\n{genre} two") for genre in GENRES]
CONFIG = TrainingConfig(
    tokenizer="char",
    embedding=8,
    hidden=16,
    layers=1,
    batch=8,
    steps=32,
    epochs=2,
    evaluations=1,
    processes=1,
)


def contrast_of(songs: list[Song], columns: int = 24, steps: int = 20) -> Contrast:
    return GenrePassages(songs, CHARACTERS, 1).contrast(3, columns, steps)


def trained(config: TrainingConfig, corpus: Corpus, folder: Path, stop_after: int = 0) -> Path:
    training = Training(config, songs_task(config, corpus, folder))
    left = iter([False] * (stop_after - 1))
    training.run(folder, Listener(), lambda: bool(stop_after) and next(left, True))
    return folder


def test_a_passage_is_read_behind_its_own_genre_and_others() -> None:
    contrast = contrast_of(SONGS)
    assert (contrast.genres, contrast.passages) == (AT_ONCE, 3)
    for passage in range(3):
        names, texts = [], []
        for column in range(AT_ONCE * passage, AT_ONCE * (passage + 1)):
            ids = contrast.ids[:, column].tolist()
            names.append(CHARACTERS.decode(ids[: ids.index(TEXT)]))
            texts.append(CHARACTERS.decode(ids[ids.index(TEXT) :]))
            counted = contrast.ids[1:, column][contrast.counted[:, column] == 1]
            assert CHARACTERS.decode(counted.tolist()) == texts[-1]
        assert len(set(names)) == AT_ONCE
        assert len(set(texts)) == 1
        assert names[0] in texts[0]


def test_a_passage_goes_on_over_the_next_stanzas() -> None:
    text = "a\n\nbee\n\nsea\n\ndee"
    contrast = contrast_of([Song(None, genre, text) for genre in GENRES])
    ids = contrast.ids[:, 0].tolist()
    whole = CHARACTERS.decode(ids[ids.index(TEXT) :])
    assert "\n\n" in whole
    assert text.endswith(whole)


def test_a_long_passage_is_cut_to_the_same_length_behind_each_genre() -> None:
    contrast = contrast_of([Song(None, genre, "la " * 99) for genre in GENRES], steps=12)
    assert contrast.ids.shape == (25, 12)
    lengths = contrast.counted.sum(axis=0).reshape(-1, AT_ONCE)
    assert (lengths == lengths[:, :1]).all()
    assert (lengths > 10).all()


def test_each_passage_is_read_by_one_process() -> None:
    contrast = contrast_of(SONGS)
    for members in (1, 2, 5):
        parts = [contrast.part(member, members) for member in range(members)]
        assert sum(part.passages for part in parts) == contrast.passages
        np.testing.assert_array_equal(np.concatenate([p.ids for p in parts], 1), contrast.ids)


def test_the_gradient_is_that_of_the_probability_of_the_own_genre() -> None:
    config = NetworkConfig(CHARACTERS.vocabulary_size, 4, 6, 1)
    start = initial_parameters(config, np.random.default_rng(0)).astype(np.float64) * 3
    contrast = contrast_of(SONGS)
    inputs, targets = contrast.ids[:-1], contrast.ids[1:]

    def nats(vector: np.ndarray) -> np.ndarray:
        network = Network(config, vector)
        return network.token_nats(inputs, targets, network.zero_state(inputs.shape[1]))[0]

    def loss(vector: np.ndarray) -> float:
        sums = (nats(vector) * contrast.counted).sum(axis=0, dtype=np.float64)
        return float(-np.log(probabilities(sums.reshape(-1, contrast.genres))[:, 0]).sum())

    network = Network(config, start)
    zeros = network.zero_state(inputs.shape[1])
    slopes = contrast.slopes(nats(start))
    gradient = network.loss_and_gradients(inputs, targets, slopes, zeros).vector
    direction = np.random.default_rng(1).normal(size=start.size)
    measured = (loss(start + 1e-5 * direction) - loss(start - 1e-5 * direction)) / 2e-5
    assert gradient @ direction == pytest.approx(measured, rel=1e-5)


def test_genres_are_told_apart_better_by_a_network_that_learned_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = {"country": ("road", "horse", "dust"), "shanty": ("mast", "wave", "haul")}
    songs = [
        Song(None, genre, "\n".join(" ".join(rng.choice(words[genre], 4)) for _ in range(4)))
        for genre in sorted(words)
        for _ in range(60)
    ]
    corpus = Corpus(songs)
    held_out = [*corpus.part("validation"), *corpus.part("test")]
    own = [sorted(words).index(song.genre or "") for song in held_out]

    def chance_of_own_genre(weight: float) -> float:
        config = replace(CONFIG, genre_weight=weight, epochs=4)
        weights = load_weights(trained(config, corpus, tmp_path / f"{weight}"))
        texts = [song.text for song in held_out]
        nats = genre_nats(weights.network, weights.tokenizer, texts, sorted(words))
        return float(probabilities(nats)[range(len(own)), own].mean())

    assert chance_of_own_genre(1.0) > chance_of_own_genre(0.0) + 0.1


def test_what_is_told_apart_is_the_same_after_a_stop_and_in_more_processes(
    small_corpus: Corpus, tmp_path: Path
) -> None:
    config = replace(CONFIG, genre_weight=1.0, epochs=0.1, temperature_fit=False)
    whole = load_weights(trained(config, small_corpus, tmp_path / "whole"))
    trained(config, small_corpus, tmp_path / "parts", stop_after=2)
    Training.resumed(
        tmp_path / "parts",
        {},
        lambda config, init: songs_task(config, small_corpus, tmp_path / "parts", init),
    ).run(tmp_path / "parts", Listener(), lambda: False)
    parts = load_weights(tmp_path / "parts")
    np.testing.assert_array_equal(parts.network.vector, whole.network.vector)
    two = load_weights(trained(replace(config, processes=2), small_corpus, tmp_path / "two"))
    np.testing.assert_allclose(two.network.vector, whole.network.vector, atol=2e-3)
    without = trained(replace(config, genre_weight=0.0), small_corpus, tmp_path / "without")
    assert np.abs(load_weights(without).network.vector - whole.network.vector).max() > 5e-3


def test_songs_of_one_genre_are_refused(small_corpus: Corpus, tmp_path: Path) -> None:
    songs = Corpus([song for song in small_corpus if song.genre == "shanty"])
    with pytest.raises(TrainingError, match="two genres or more: leave out genre_weight"):
        songs_task(replace(CONFIG, genre_weight=1.0), songs, tmp_path)
