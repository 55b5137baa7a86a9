"""Remembering a symbol over a distance."""

import numpy as np
import pytest

from model.recall import (
    DISTRACTORS,
    FIRST_DISTANCE,
    RecallTraining,
    accuracy,
    distance_at,
    recall_network,
    sequences,
    train_recall,
)


def job(cell: str, distance: int, steps: int = 400) -> RecallTraining:
    return RecallTraining(
        cell,
        distance,
        symbols=4,
        hidden=16,
        batch=16,
        steps=steps,
        learning_rates=(0.01,),
        random_seed=1,
    )


def test_a_sequence_is_a_symbol_then_distractors_then_the_cue() -> None:
    ids = sequences(np.random.default_rng(1), symbols=4, distance=6, count=500)

    assert ids.shape == (7, 500)
    assert set(ids[0]) == set(range(4))
    assert set(ids[1:-1].ravel()) == set(range(4, 4 + DISTRACTORS))
    assert set(ids[-1]) == {4 + DISTRACTORS}


def test_the_distance_grows_from_the_first_to_the_whole_and_stays_there() -> None:
    distances = [distance_at(step / 100, 300) for step in range(100)]

    assert distances[0] == FIRST_DISTANCE
    assert distances == sorted(distances)
    assert distances[50:] == [300] * 50
    assert {distance_at(step / 100, 4) for step in range(100)} == {4}


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_before_training_answers_are_no_better_than_chance(cell: str) -> None:
    ids = sequences(np.random.default_rng(1), symbols=4, distance=10, count=1000)

    assert accuracy(recall_network(job(cell, 10)), ids) < 0.35


def test_forget_gates_open_for_times_up_to_the_distance() -> None:
    network = recall_network(job("lstm", 300))

    biases = network.parameters["rnn.bias_ih_l0"][16:32]
    assert 0 <= np.min(biases) < np.max(biases) <= np.log(300)
    assert not network.parameters["rnn.bias_ih_l0"][:16].any()


def test_an_lstm_learns_to_remember_over_ten_steps_and_ends_early() -> None:
    shares: list[float] = []

    result = train_recall(job("lstm", 10, steps=800), shares.append)

    assert result.accuracy >= 0.99
    assert result.steps < 800
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_best_learning_rate_is_kept() -> None:
    good = job("lstm", 5)
    both = RecallTraining(**{**vars(good), "learning_rates": (1e-9, 0.01)})

    result = train_recall(both, lambda share: None)

    assert result.learning_rate == 0.01
    assert result.accuracy >= 0.99
