"""Averaging of the weights along a run: the average is often better than any of its parts.

"exponential" keeps an average throughout, in which old weights fade; "triggered" is NT-ASGD
(Merity et al. 2018): the plain mean of all weights since validation stopped getting better.
The idea: Polyak & Juditsky 1992; why it finds flatter, better minima: Izmailov et al. 2018.
The average is a vector beside the parameters; what else there is to remember is AveragingState.
"""

from dataclasses import dataclass, field

import numpy as np

from model.errors import TrainingError
from model.optimizers import Vector, blocks, scratch_block

AVERAGES = ("none", "exponential", "triggered")


@dataclass
class AveragingState:
    """How far the averaging of a run has come; `asdict` of it is plain JSON."""

    count: int = 0  # weights in the average; there is no average while it is 0
    triggered: bool = False
    losses: list[float] = field(default_factory=list)  # of the validations before it was triggered


@dataclass(frozen=True)
class Averaging:
    """Which average of the weights a run keeps.

    Raises TrainingError for a kind that is not one of AVERAGES and for numbers out of range.
    """

    kind: str = "none"
    decay: float = 0.999  # share of the old average in the next, of the exponential one
    patience: int = 5  # validations, n of NT-ASGD: see `validated`; 5 as Merity et al. 2018

    def __post_init__(self) -> None:
        if self.kind not in AVERAGES:
            raise TrainingError(f"averaging must be one of {', '.join(AVERAGES)}.")
        if not 0 <= self.decay < 1:
            raise TrainingError("The averaging's decay must be from 0 to below 1.")
        if self.patience < 1:
            raise TrainingError("The averaging's patience must be at least 1.")

    def running(self, state: AveragingState) -> bool:
        """Whether the weights after a step belong into the average."""
        return self.kind == "exponential" or (self.kind == "triggered" and state.triggered)

    def newest_share(self, count: int) -> float:
        """Share of the newest weights in the average of `count` weights, themselves among them.

        All of the first. The exponential average then holds min(decay, (1 + t) / (10 + t)) of
        the old, t = count - 1, so that the early weights are soon forgotten (as
        tf.train.ExponentialMovingAverage); the triggered one is the mean.
        """
        if self.kind == "exponential" and count > 1:
            return 1 - min(self.decay, count / (count + 9))
        return 1 / count

    def update(self, average: Vector, parameters: Vector, count: int) -> None:
        """Take the parameters (N,) into the average (N,), in place, as number `count` from 1.

        The vectors may be slices of the whole. What the average held before the first is ignored.
        """
        if count == 1:
            average[:] = parameters
            return
        share = self.newest_share(count)
        scratch = scratch_block(average)
        for block in blocks(average.size):
            mean = average[block]
            difference = np.subtract(parameters[block], mean, out=scratch[: mean.size])
            difference *= share
            mean += difference

    def validated(self, state: AveragingState, loss: float) -> None:
        """Hear a validation's loss, which may trigger the averaging from the next step on.

        It does when the loss is above the best of those that were heard before the last
        `patience` ones (Merity et al. 2018, algorithm 1): in that time the weights have come no
        further. Other kinds of averaging do not listen.
        """
        if self.kind != "triggered" or state.triggered:
            return
        earlier = state.losses[: -self.patience]
        state.triggered = bool(earlier) and loss > min(earlier)
        state.losses.append(loss)
