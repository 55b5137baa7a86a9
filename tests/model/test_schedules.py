"""Schedules: the learning rate over a run."""

import math
from itertools import pairwise

import numpy as np
import pytest

from model.errors import TrainingError
from model.schedules import FINAL_RATE, SCHEDULES, STEP_FACTOR, STEPS, learning_rate_at

SHARES = np.linspace(0, 1, 501).tolist()


def rates(schedule: str, warm_up: float) -> list[float]:
    return [learning_rate_at(share, 2.0, schedule, warm_up) for share in SHARES]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_rises_in_a_line_to_the_highest(schedule: str) -> None:
    warming = [
        rate for share, rate in zip(SHARES, rates(schedule, 0.2), strict=True) if share < 0.2
    ]

    np.testing.assert_allclose(np.diff(warming), np.diff(warming)[0])
    assert warming[0] > 0
    assert learning_rate_at(0.2, 2.0, schedule, 0.2) == 2


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_never_rises_after_the_warm_up_nor_above_the_highest(schedule: str) -> None:
    after = [rate for share, rate in zip(SHARES, rates(schedule, 0.1), strict=True) if share >= 0.1]

    assert max(rates(schedule, 0.1)) == 2
    assert all(later <= earlier for earlier, later in pairwise(after))
    assert after[-1] > 0


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_warm_up_the_rate_begins_at_the_highest(schedule: str) -> None:
    assert learning_rate_at(0, 2.0, schedule, 0) == 2


def test_a_constant_rate_stays() -> None:
    assert set(rates("constant", 0)) == {2.0}


def test_steps_cut_the_rate_by_one_factor_in_equal_parts_of_the_run() -> None:
    levels = sorted(set(rates("step", 0)), reverse=True)
    middles = [learning_rate_at((part + 0.5) / STEPS, 2.0, "step", 0) for part in range(STEPS)]

    assert levels == [2 * STEP_FACTOR**part for part in range(STEPS)]
    assert middles == levels


def test_the_cosine_is_halfway_in_the_middle_and_ends_at_its_final_share() -> None:
    assert learning_rate_at(0.5, 2.0, "cosine", 0) == pytest.approx(1 + FINAL_RATE)
    assert learning_rate_at(1, 2.0, "cosine", 0.02) == pytest.approx(2 * FINAL_RATE)


@pytest.mark.parametrize("share", [0, 0.01, 0.019, 0.02, 0.3, 0.77, 1])
def test_the_cosine_with_a_warm_up_of_a_fiftieth_is_what_the_first_weights_were_trained_with(
    share: float,
) -> None:
    if share < 0.02:
        expected = 2e-3 * (share + 0.002) / 0.022
    else:
        falling = 0.5 * (1 + math.cos(math.pi * (share - 0.02) / 0.98))
        expected = 2e-3 * (0.02 + 0.98 * falling)

    assert learning_rate_at(share, 2e-3, "cosine", 0.02) == pytest.approx(expected, rel=1e-12)


def test_an_unknown_schedule_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(TrainingError, match="constant, step, cosine"):
        learning_rate_at(0.5, 2.0, "linear", 0)
