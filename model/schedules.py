"""Schedules: how high the learning rate is at each share of a run.

All three begin with a linear warm-up (Goyal et al. 2017) and then stay, fall in steps, or fall as
a cosine (Loshchilov & Hutter 2017, without restarts). They are functions of the share of the run
that is done, so a run measured in minutes has them like one measured in epochs.
"""

import math

from model.errors import TrainingError

SCHEDULES = ("constant", "step", "cosine")
HEAD_START = 0.1  # of the warm-up is behind a run when it begins, so that its first step moves
FINAL_RATE = 0.02  # of the highest rate, at the end of the cosine
STEPS = 10  # equal parts of the run after the warm-up, as torch-rnn's: every 5 of 50 epochs
STEP_FACTOR = 0.5  # from one of these parts to the next, as torch-rnn's


def learning_rate_at(share: float, highest: float, schedule: str, warm_up: float) -> float:
    """The learning rate when `share` (0 to 1) of the run is done; `highest` after the warm-up.

    `warm_up` is the share of the run, from 0 to below 1, in which the rate rises. Raises
    TrainingError for a schedule that is not one of SCHEDULES.
    """
    if share < warm_up:
        return highest * (share + HEAD_START * warm_up) / ((1 + HEAD_START) * warm_up)
    done = (share - warm_up) / (1 - warm_up)
    match schedule:
        case "constant":
            return highest
        case "step":
            return highest * STEP_FACTOR ** min(int(STEPS * done), STEPS - 1)
        case "cosine":
            falling = 0.5 * (1 + math.cos(math.pi * done))
            return highest * (FINAL_RATE + (1 - FINAL_RATE) * falling)
    raise TrainingError(f"schedule must be one of {', '.join(SCHEDULES)}.")
