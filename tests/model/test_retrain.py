"""Learning from ratings: liked lyrics become likelier, within bounds, and too few are refused."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.corpus import Corpus
from model.errors import TrainingError
from model.frame import frame_wish
from model.originality import NgramIndex
from model.ratings import RatedLyric, read_ratings
from model.retrain import LEAST_LIKED, RetrainConfig, retrain
from model.weights import Weights, load_weights
from model.wish import Wish

QUICK = RetrainConfig(epochs=2, learning_rate=1e-3)


def rated(number: int, *, liked: float = 0, disliked: float = 0) -> RatedLyric:
    words = "rain" if liked else "gold"
    text = f"Down the road\n{words} and {words} again {number}\nall the {words} in town"
    return RatedLyric("Down the road", "country", None, text, liked, disliked)


RATINGS = [rated(i, liked=1) for i in range(30)] + [rated(i, disliked=1) for i in range(30)]


@pytest.fixture(scope="module")
def weights(tiny_weights: Path) -> Weights:
    return load_weights(tiny_weights)


def nats(weights: Weights, rating: RatedLyric) -> float:
    """Nats of a rated lyric's text behind its seed."""
    prompt = frame_wish(weights.tokenizer, Wish(rating.seed, rating.genre, rating.title))
    ids = prompt + weights.tokenizer.encode(rating.text.removeprefix(rating.seed or ""))
    network = weights.network
    result, _ = network.token_nats(
        np.array(ids[:-1])[:, None], np.array(ids[1:])[:, None], network.zero_state(1)
    )
    return float(result[len(prompt) - 1 :].sum())


def silent(done: int, total: int) -> None:
    assert 0 < done <= total


def test_lyrics_like_the_liked_become_likelier_than_those_like_the_disliked(
    weights: Weights, small_corpus: Corpus
) -> None:
    before = {name: array.copy() for name, array in weights.network.parameters.items()}
    new, outcome = retrain(weights, RATINGS, small_corpus, QUICK, silent)
    unseen_liked, unseen_disliked = rated(77, liked=1), rated(77, disliked=1)
    gain_liked = nats(weights, unseen_liked) - nats(new, unseen_liked)
    gain_disliked = nats(weights, unseen_disliked) - nats(new, unseen_disliked)
    assert gain_liked > gain_disliked
    assert outcome.preference_before is not None
    assert outcome.preference_after is not None
    assert outcome.preference_after > outcome.preference_before
    assert outcome.bits_per_character_after <= 1.02 * outcome.bits_per_character_before
    assert outcome.liked + outcome.disliked + outcome.held_out == len(RATINGS)
    for name, array in weights.network.parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_no_ratings_are_held_out_where_that_would_leave_too_little_to_learn_from(
    weights: Weights, small_corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.retrain.HELD_OUT_SHARE", 0.9)
    _, outcome = retrain(weights, RATINGS[20:40], small_corpus, QUICK, silent)
    assert (outcome.liked, outcome.disliked, outcome.held_out) == (10, 10, 0)


def test_retraining_is_reproducible_and_keeps_the_index_of_the_songs(
    weights: Weights, small_corpus: Corpus
) -> None:
    quick = replace(QUICK, epochs=1)
    weights = replace(weights, originality=NgramIndex.build(small_corpus.part("train")))
    first, _ = retrain(weights, RATINGS[:20], small_corpus, quick, silent)
    second, _ = retrain(weights, RATINGS[:20], small_corpus, quick, silent)
    for name, array in first.network.parameters.items():
        np.testing.assert_array_equal(array, second.network.parameters[name])
    assert first.originality == weights.originality


def test_too_few_liked_lyrics_are_refused_with_how_many_are_needed(
    weights: Weights, small_corpus: Corpus
) -> None:
    few = RATINGS[: LEAST_LIKED - 1] + RATINGS[30:]
    with pytest.raises(TrainingError, match=rf"{LEAST_LIKED - 1} liked.*at least {LEAST_LIKED}"):
        retrain(weights, few, small_corpus, QUICK, silent)
    even = [replace(rating, disliked=1) for rating in RATINGS[:30]]
    with pytest.raises(TrainingError, match="0 liked"):
        retrain(weights, even, small_corpus, QUICK, silent)


def test_weights_that_drift_too_far_are_not_promoted(
    weights: Weights, small_corpus: Corpus
) -> None:
    wild = RetrainConfig(epochs=1, learning_rate=1.0)
    with pytest.raises(TrainingError, match="did not pass"):
        retrain(weights, RATINGS, small_corpus, wild, silent)


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE t (lyric_id, seed, genre, title, text, liked, disliked);
            INSERT INTO t VALUES (2, NULL, 'rap', NULL, 'b', 0.0, 1.0), (1, 'a', NULL, NULL, 'a', 2.0, 0.0);
            CREATE VIEW training_examples AS SELECT * FROM t;
            """  # noqa: E501
        )
    return path


def test_ratings_are_read_from_a_file_or_a_url_oldest_first(tmp_path: Path) -> None:
    path = database(tmp_path / "a b?.db")
    expected = [
        RatedLyric("a", None, None, "a", 2.0, 0.0),
        RatedLyric(None, "rap", None, "b", 0.0, 1.0),
    ]
    assert read_ratings(str(path)) == expected
    assert read_ratings(f"sqlite+aiosqlite:///{path}") == expected


def test_what_is_no_database_of_the_bot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no database"):
        read_ratings(str(tmp_path / "nowhere.db"))
    (tmp_path / "text.db").write_text("not a database, but long enough to be read as one" * 20)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_ratings(str(tmp_path / "text.db"))
    with pytest.raises(TrainingError, match="SQLite"):
        read_ratings("postgresql+asyncpg://host/db")
