"""What all recurrent cells share: their interface, their memory, the products of a whole segment.

A cell sees a whole segment, feature-major: x (D, T, B), so that each step's vectors (H, B) and
gates (G*H, B) are whole blocks of memory and a gate is a run of rows. What does not depend on the
step before is one matrix product over all T*B columns: the input half of every gate before the
loop over time, the weights' gradients after it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Parameters = dict[str, Array]
CellState = tuple[Array, ...]  # what a layer carries from step to step, each (H, B)


class Buffers:
    """Arrays by name that are made once and used again for every segment of the same shape.

    Asking for fresh memory at each step costs more than the arithmetic on it.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array with undefined contents; the one given before, if it was of this kind."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self._arrays[name] = np.empty(shape, dtype)
        return array


@dataclass
class Trace:
    """What `forward` leaves for `backward`; a T+1 holds the state before the first step at 0."""

    x: Array  # (D, T, B), what the gates read
    read: Array  # (H, T, B), the hidden states that the gates read
    hidden: Array  # (H, T+1, B)
    gates: Array  # (T, G*H, B), activated
    cells: Array | None = None  # (T+1, H, B)
    tanh_cells: Array | None = None  # (T, H, B)
    rounds: "MogrifierTrace | None" = None

    @property
    def state(self) -> CellState:
        """The state after the last step, copied so that no buffer is shared."""
        hidden = self.hidden[:, -1].copy()
        return (hidden,) if self.cells is None else (hidden, self.cells[-1].copy())


@dataclass
class MogrifierTrace:
    """Inputs and hidden states on their way through the rounds, and the gates between them."""

    inputs: list[Array]  # x and what it became, each (D, T, B)
    hiddens: list[Array]  # h_{t-1} and what it became, each (H, T, B)
    gates: list[Array]  # one a round, (T, D or H, B), from 0 to 2


class Cell(Protocol):
    """What the network needs to know of a cell. `weights` and `gradients` are of one layer."""

    gates: int  # G: weight_ih and weight_hh have G*H rows
    states: int  # arrays carried in time

    def more_shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """A layer's parameters beside weight_ih, weight_hh, bias_ih and bias_hh."""

    def forward(self, x: Array, weights: Parameters, state: CellState, buffers: Buffers) -> Trace:
        """Run T steps over x (D, T, B) from `state`. x must stay as it is until `backward`."""

    def backward(
        self,
        grad_hidden: Array,
        weights: Parameters,
        trace: Trace,
        gradients: Parameters,
        error_clip: float | None,
        buffers: Buffers,
    ) -> Array:
        """dL/dx (D, T, B) from dL/dh of every step, `grad_hidden` (H, T, B).

        Fills `gradients`. error_clip bounds each element of the error that flows from step t to
        t-1. Both results are of use until the buffers are used again.
        """

    def advance(self, z: Array, state: CellState) -> CellState:
        """The state after one step, from the whole of z_t (G*H, B), which is overwritten."""


def input_half(x: Array, weights: Parameters, buffers: Buffers) -> Array:
    """W_ih x + b for all steps (G*H, T, B) of x (D, T, B): one product."""
    rows = len(weights["weight_ih"])
    z = buffers("z", (rows, *x.shape[1:]), x.dtype)
    np.matmul(weights["weight_ih"], columns(x), out=columns(z))  # (G*H, D) @ (D, T*B)
    z += (weights["bias_ih"] + weights["bias_hh"])[:, None, None]
    return z


def weight_gradients(
    grad_z: Array,
    weights: Parameters,
    trace: Trace,
    gradients: Parameters,
    buffers: Buffers,
    *,
    input_too: bool = True,
) -> Array:
    """The gates' weights' gradients from dz of all steps (G*H, T, B); dL/dx (D, T, B) if asked."""
    dz = columns(grad_z)  # (G*H, T*B)
    np.matmul(dz, columns(trace.x).T, out=gradients["weight_ih"])
    np.matmul(dz, columns(trace.read).T, out=gradients["weight_hh"])
    np.sum(dz, axis=1, out=gradients["bias_ih"])
    gradients["bias_hh"][:] = gradients["bias_ih"]
    grad_x = buffers("grad_x", trace.x.shape, dz.dtype)
    if input_too:
        np.matmul(weights["weight_ih"].T, dz, out=columns(grad_x))  # (D, G*H) @ (G*H, T*B)
    return grad_x


def columns(array: Array) -> Array:
    """(D, T, B) as a matrix (D, T*B), without copying."""
    return array.reshape(len(array), -1)


def transposed(weight: Array, name: str, buffers: Buffers) -> Array:
    """The transpose, laid out anew: BLAS then packs it faster at every step of the loop."""
    back = buffers(f"{name}_transposed", weight.shape[::-1], weight.dtype)
    np.copyto(back, weight.T)
    return back


def clip_in_place(error: Array, bound: float | None) -> None:
    """Bound each element of an error to [-bound, bound]."""
    if bound is not None:
        np.clip(error, -bound, bound, out=error)


def sigmoid_in_place(z: Array) -> None:
    """1 / (1 + exp(-z)); numpy's exp takes half the time of its tanh, of which it could be made."""
    np.negative(z, out=z)
    with np.errstate(over="ignore"):  # an infinite exp makes the zero that is wanted
        np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)
