"""Averaging: the exponential and the triggered mean of the weights."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from model.averaging import AVERAGES, Averaging, AveragingState
from model.errors import TrainingError
from model.optimizers import BLOCK, Vector

MEANS = [Averaging("exponential", decay=0.9), Averaging("triggered")]


def random_points(count: int, size: int, dtype: type = np.float64) -> list[Vector]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=size).astype(dtype) for _ in range(count)]


def average_of(averaging: Averaging, points: list[Vector]) -> Vector:
    """The average of points that come one after the other, from an array that held anything."""
    average = np.full_like(points[0], 99)
    for count, point in enumerate(points, start=1):
        averaging.update(average, point, count)
    return average


def triggered_at(losses: list[float], patience: int) -> int | None:
    """The index of the validation that triggers the averaging."""
    averaging, state = Averaging("triggered", patience=patience), AveragingState()
    for index, loss in enumerate(losses):
        averaging.validated(state, loss)
        if averaging.running(state):
            return index
    return None


# --- the averages ----------------------------------------------------------------------------


@pytest.mark.parametrize("averaging", MEANS, ids=repr)
def test_the_average_of_one_point_is_that_point_itself(averaging: Averaging) -> None:
    (point,) = random_points(1, 5, np.float32)

    np.testing.assert_array_equal(average_of(averaging, [point]), point)


def test_the_triggered_average_is_the_mean_of_all_points() -> None:
    points = random_points(12, 5)

    average = average_of(Averaging("triggered"), points)

    np.testing.assert_allclose(average, np.mean(points, axis=0), rtol=1e-12)


def test_the_exponential_average_lets_old_points_fade() -> None:
    points = random_points(200, 5)
    expected = points[0]
    for t, point in enumerate(points[1:], start=1):
        keep = min(0.9, (1 + t) / (10 + t))
        expected = keep * expected + (1 - keep) * point

    average = average_of(Averaging("exponential", decay=0.9), points)

    np.testing.assert_allclose(average, expected, rtol=1e-10)


def test_the_exponential_average_soon_forgets_where_it_began() -> None:
    averaging = Averaging("exponential", decay=0.9999)
    points = [np.array([1.0])] + [np.array([0.0])] * 40

    assert average_of(averaging, points)[0] < 1e-8


@pytest.mark.parametrize("averaging", MEANS, ids=repr)
def test_slices_averaged_apart_are_the_same_as_the_whole_bit_for_bit(averaging: Averaging) -> None:
    points = random_points(3, 2 * BLOCK + 7, np.float32)
    cuts = [slice(0, 5), slice(5, 5), slice(5, BLOCK + 1), slice(BLOCK + 1, None)]

    parts = [average_of(averaging, [point[cut] for point in points]) for cut in cuts]

    np.testing.assert_array_equal(np.concatenate(parts), average_of(averaging, points))


@pytest.mark.parametrize("averaging", MEANS, ids=repr)
def test_averaging_leaves_the_parameters_as_they_are(averaging: Averaging) -> None:
    points = random_points(3, 5)
    before = np.copy(points)

    average_of(averaging, points)

    np.testing.assert_array_equal(points, before)


# --- when there is one -----------------------------------------------------------------------


def test_only_the_exponential_average_runs_from_the_first_step_on() -> None:
    running = {kind: Averaging(kind).running(AveragingState()) for kind in AVERAGES}

    assert running == {"none": False, "exponential": True, "triggered": False}


def test_a_loss_that_keeps_falling_triggers_nothing() -> None:
    assert triggered_at([5, 4, 3, 2, 1, 0.5], patience=1) is None


def test_a_loss_above_the_best_of_more_than_the_patience_ago_triggers() -> None:
    assert triggered_at([5, 3, 3.5, 3.4, 3.3], patience=1) == 3
    assert triggered_at([5, 3, 3.5, 3.4, 3.3], patience=2) == 4
    assert triggered_at([5, 3, 3.5, 3.4, 3.3], patience=3) is None


def test_a_loss_above_the_last_ones_but_below_all_before_them_triggers_nothing() -> None:
    assert triggered_at([5, 4, 3, 3.5, 3.4, 2.9], patience=2) is None


def test_a_trigger_is_for_good() -> None:
    averaging, state = Averaging("triggered", patience=1), AveragingState()
    for loss in (3, 4, 5, 1, 0.5):
        averaging.validated(state, loss)

    assert averaging.running(state)
    assert state.losses == [3, 4, 5]


@pytest.mark.parametrize("kind", ["none", "exponential"])
def test_other_kinds_do_not_listen_to_validations(kind: str) -> None:
    averaging, state = Averaging(kind, patience=1), AveragingState()
    for loss in (1, 2, 3, 4):
        averaging.validated(state, loss)

    assert state == AveragingState()


def test_the_state_goes_through_json_and_back() -> None:
    averaging, state = Averaging("triggered", patience=1), AveragingState(count=3)
    for loss in (1.5, 1.25, 1.75):
        averaging.validated(state, loss)

    assert AveragingState(**json.loads(json.dumps(asdict(state)))) == state


# --- options ---------------------------------------------------------------------------------


def test_an_unknown_kind_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(TrainingError, match="none, exponential, triggered"):
        Averaging("swa")


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_that_forgets_nothing_or_less_is_refused(decay: float) -> None:
    with pytest.raises(TrainingError, match="decay"):
        Averaging("exponential", decay=decay)


def test_a_patience_below_one_validation_is_refused() -> None:
    with pytest.raises(TrainingError, match="patience"):
        Averaging("triggered", patience=0)
