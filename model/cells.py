"""The recurrent cells, forward and backward through time, written out.

A cell sees a whole segment: `z`, the input half of every gate for all T steps, made by one matrix
product before the loop. Only the (B, H) @ (H, G*H) product with the previous hidden state must
wait for the step before it. `backward` walks the same steps in reverse and returns dL/dz; the
weights' gradients are again one product over all steps, after the loop (`network.py`).

LSTM: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
Plain cell: Elman 1990. Truncated back-propagation through time: Williams & Peng 1990.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
CellState = tuple[Array, ...]  # what a layer carries from step to step, each (B, H)


@dataclass
class Trace:
    """What `forward` leaves for `backward`; a leading T+1 holds the initial state at index 0."""

    hidden: Array  # (T+1, B, H)
    gates: Array  # (T, B, G*H), activated
    cells: Array | None = None  # (T+1, B, H)
    tanh_cells: Array | None = None  # (T, B, H)

    @property
    def state(self) -> CellState:
        """The state after the last step, copied so that no buffer is shared."""
        arrays = (self.hidden,) if self.cells is None else (self.hidden, self.cells)
        return tuple(array[-1].copy() for array in arrays)


class Cell(Protocol):
    """What the network needs to know of a cell."""

    gates: int  # G: the weights have G*H rows
    states: int  # arrays carried in time

    def forward(self, z: Array, weight_hh: Array, state: CellState) -> Trace:
        """Run T steps from `state`.

        z (T, B, G*H): x_t W_ih^T + b_ih + b_hh; overwritten. weight_hh (G*H, H).
        """

    def backward(
        self, grad_hidden: Array, weight_hh: Array, trace: Trace, error_clip: float | None
    ) -> Array:
        """dL/dz (T, B, G*H) from dL/dh of every step, `grad_hidden` (T, B, H).

        error_clip bounds each element of the error that flows from step t to t-1. The gates'
        trace is overwritten: it becomes the result.
        """


def clip_in_place(error: Array, bound: float | None) -> None:
    """Bound each element of an error to [-bound, bound]."""
    if bound is not None:
        np.clip(error, -bound, bound, out=error)


class PlainCell:
    """h_t = tanh(z_t + h_{t-1} W_hh^T).

    Backward: dz_t = dh_t (1 - h_t^2), dh_{t-1} += dz_t W_hh. The same matrix and a factor below
    one multiply the error at every step, so it vanishes with distance (Bengio et al. 1994).
    """

    gates = 1
    states = 1

    def forward(self, z: Array, weight_hh: Array, state: CellState) -> Trace:
        steps, batch, hidden_size = z.shape
        hidden = np.empty((steps + 1, batch, hidden_size), z.dtype)
        hidden[0] = state[0]
        for t in range(steps):
            z[t] += hidden[t] @ weight_hh.T  # (B, H) @ (H, H)
            np.tanh(z[t], out=hidden[t + 1])
        return Trace(hidden, z)

    def backward(
        self, grad_hidden: Array, weight_hh: Array, trace: Trace, error_clip: float | None
    ) -> Array:
        grad_z = trace.gates
        from_future = np.zeros_like(grad_hidden[0])  # dL/dh_t by way of the steps after t
        for t in reversed(range(len(grad_hidden))):
            grad_h = grad_hidden[t] + from_future
            np.multiply(grad_h, 1 - trace.hidden[t + 1] ** 2, out=grad_z[t])
            np.matmul(grad_z[t], weight_hh, out=from_future)  # (B, H) @ (H, H)
            clip_in_place(from_future, error_clip)
        return grad_z


class LSTMCell:
    """Gates i, f, g, o stand side by side in z, in PyTorch's order.

        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);  g = tanh(z_g)
        c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)

    Backward, with dh_t and dc_t the errors that reach step t:

        dc_t += dh_t o (1 - tanh(c_t)^2)
        dz_o = dh_t tanh(c_t) o (1 - o);  dz_i = dc_t g i (1 - i)
        dz_f = dc_t c_{t-1} f (1 - f);    dz_g = dc_t i (1 - g^2)
        dc_{t-1} = dc_t f;                dh_{t-1} = dz_t W_hh

    dc_{t-1} = dc_t f is the point of it all: where the forget gate is near one, the error passes
    unchanged over any distance.
    """

    gates = 4
    states = 2

    def forward(self, z: Array, weight_hh: Array, state: CellState) -> Trace:
        steps, batch, width = z.shape
        size = width // 4
        hidden = np.empty((steps + 1, batch, size), z.dtype)
        cells = np.empty_like(hidden)
        tanh_cells = np.empty((steps, batch, size), z.dtype)
        hidden[0], cells[0] = state
        # sigmoid(x) = (tanh(x/2) + 1) / 2, so one tanh call serves all four gates
        inner = np.repeat(np.array([0.5, 0.5, 1, 0.5], z.dtype), size)
        offset = 1 - inner  # 0.5 where a sigmoid, 0 where the tanh
        recurrent = np.empty((batch, width), z.dtype)
        for t in range(steps):
            gates = z[t]
            np.matmul(hidden[t], weight_hh.T, out=recurrent)  # (B, H) @ (H, 4H)
            gates += recurrent
            gates *= inner
            np.tanh(gates, out=gates)
            gates *= inner
            gates += offset
            i, f, g, o = split_gates(gates)
            np.multiply(f, cells[t], out=cells[t + 1])
            cells[t + 1] += i * g
            np.tanh(cells[t + 1], out=tanh_cells[t])
            np.multiply(o, tanh_cells[t], out=hidden[t + 1])
        return Trace(hidden, z, cells, tanh_cells)

    def backward(
        self, grad_hidden: Array, weight_hh: Array, trace: Trace, error_clip: float | None
    ) -> Array:
        assert trace.cells is not None
        assert trace.tanh_cells is not None
        grad_z = trace.gates
        from_future = np.zeros_like(grad_hidden[0])  # dL/dh_t by way of the steps after t
        grad_c = np.zeros_like(grad_hidden[0])
        for t in reversed(range(len(grad_hidden))):
            i, f, g, o = split_gates(trace.gates[t])
            tanh_c = trace.tanh_cells[t]
            grad_h = grad_hidden[t] + from_future
            grad_c += grad_h * o * (1 - tanh_c * tanh_c)
            grad_i = grad_c * g * i * (1 - i)
            grad_f = grad_c * trace.cells[t] * f * (1 - f)
            grad_g = grad_c * i * (1 - g * g)
            grad_o = grad_h * tanh_c * o * (1 - o)
            grad_c *= f  # before f's place in the trace takes its gradient
            i[:], f[:], g[:], o[:] = grad_i, grad_f, grad_g, grad_o
            np.matmul(grad_z[t], weight_hh, out=from_future)  # (B, 4H) @ (4H, H)
            clip_in_place(from_future, error_clip)
            clip_in_place(grad_c, error_clip)
        return grad_z


def split_gates(gates: Array) -> tuple[Array, Array, Array, Array]:
    """Views of i, f, g, o, each (B, H), in (B, 4H)."""
    size = gates.shape[-1] // 4
    return (
        gates[:, :size],
        gates[:, size : 2 * size],
        gates[:, 2 * size : 3 * size],
        gates[:, 3 * size :],
    )


CELLS: dict[str, Cell] = {"lstm": LSTMCell(), "rnn": PlainCell()}
