"""Where the time of a training step goes, told apart by the functions that the interpreter enters.

`sys.setprofile` calls back on every Python call and return; the time in between belongs to the
innermost function that stands for a part. So the code that is measured holds no timers. A few
thousand calls a step cost about a hundredth of its time, which is left out.
"""

import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from types import CodeType, FrameType
from typing import Any

import numpy as np

from model import network, recurrence
from model.cells import CELLS
from model.dropout import Noise
from model.network import Network
from model.team import Member

INPUT, RECURRENT = "input products", "recurrent products"
FORWARD, BACKWARD = "gates forward", "gates backward"
GRADIENTS = "weight gradients"
SOFTMAX = "softmax and its products"
EMBEDDING = "embedding and projection"
DROPOUT = "dropout"
REDUCTION = "adding up gradients"
CLIPPING = "clipping the norm"
OPTIMIZER = "optimizer"
WAITING = "waiting for the others"
REST = "the rest"
PARTS = (
    INPUT,
    RECURRENT,
    FORWARD,
    BACKWARD,
    GRADIENTS,
    SOFTMAX,
    EMBEDDING,
    DROPOUT,
    REDUCTION,
    CLIPPING,
    OPTIMIZER,
    WAITING,
    REST,
)
IN_THE_LOOP = {FORWARD: RECURRENT, BACKWARD: RECURRENT}  # whose matrix products are a part apart

_product = np.matmul


def _matmul(*arguments: Any, **named: Any) -> Any:
    """np.matmul as a Python function, which the interpreter tells of, as it does not of ufuncs."""
    return _product(*arguments, **named)


def _part_of_code(cell: str) -> dict[CodeType, str]:
    """The functions that stand for a part, in a network with this cell."""
    kind = type(CELLS[cell])
    return {
        recurrence.input_half.__code__: INPUT,
        recurrence.transposed.__code__: RECURRENT,
        kind.forward.__code__: FORWARD,
        kind.backward.__code__: BACKWARD,
        recurrence.weight_gradients.__code__: GRADIENTS,
        Network._softmax_backward.__code__: SOFTMAX,
        Network.forward.__code__: EMBEDDING,
        Network._layers_backward.__code__: EMBEDDING,
        network.add_rows.__code__: EMBEDDING,
        Noise.mask.__code__: DROPOUT,
        Noise.resting_weights.__code__: DROPOUT,
        Noise.rest_gradient.__code__: DROPOUT,
        network._masked.__code__: DROPOUT,
        Member.reduce.__code__: REDUCTION,
        Member.norm.__code__: CLIPPING,
        Member.update.__code__: OPTIMIZER,
        Connection.recv.__code__: WAITING,
    }


class StepClock:
    """Within it, the leader's time is told apart; `shares` says how it was spent.

    Products in the loop over time count as recurrent, but for those that a cell writes with `@`,
    which count as gates. Waiting is the leader's: the others wait for it as well.
    """

    def __init__(self, cell: str) -> None:
        """cell: a key of CELLS."""
        self._part_of_code = _part_of_code(cell)
        self._seconds: Counter[str] = Counter()
        self._parts = [REST]  # of the functions entered and not yet left
        self._since = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """The share of the time by part, in the order of PARTS; the sum is 1."""
        total = self._seconds.total() or 1.0
        return {part: self._seconds[part] / total for part in PARTS}

    def __enter__(self) -> "StepClock":
        np.matmul = _matmul  # type: ignore[assignment]
        self._since = time.perf_counter()
        sys.setprofile(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        np.matmul = _product

    def _heard(self, frame: FrameType, event: str, _: object) -> None:
        if event not in ("call", "return"):
            return
        now = time.perf_counter()
        part = self._parts[-1]
        self._seconds[part] += now - self._since  # type: ignore[assignment]
        if event == "call":
            own = self._part_of_code.get(frame.f_code, part)
            self._parts.append(
                IN_THE_LOOP.get(part, part) if frame.f_code is _matmul.__code__ else own
            )
        elif len(self._parts) > 1:  # what was entered before the clock ran is left in it
            self._parts.pop()
        self._since = time.perf_counter()  # not counting this function
