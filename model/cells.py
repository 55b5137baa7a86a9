"""The recurrent cells, forward and backward through time, written out.

Only (G*H, H) @ (H, B) stays inside the loop over time; `recurrence.py` has what comes before and
after it, and the shapes.

LSTM: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
Plain cell: Elman 1990. Mogrifier: Melis et al. 2020.
Truncated back-propagation through time: Williams & Peng 1990. Full back-propagation is the same
with a segment as long as the text.

    sigmoid(x) = 1 / (1 + exp(-x)),  sigmoid' = s (1 - s),  tanh' = 1 - t^2
"""

import numpy as np

from model.recurrence import (
    Array,
    Buffers,
    Cell,
    CellState,
    MogrifierTrace,
    Parameters,
    Trace,
    clip_in_place,
    columns,
    input_half,
    sigmoid_in_place,
    transposed,
    weight_gradients,
)


class PlainCell:
    """h_t = tanh(z_t),  z_t = W_ih x_t + W_hh h_{t-1} + b.

    Backward: dz_t = dh_t (1 - h_t^2), dh_{t-1} += W_hh^T dz_t. The same matrix and a factor below
    one multiply the error at every step, so it vanishes with distance (Bengio et al. 1994).
    """

    gates = 1
    states = 1

    def more_shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def forward(self, x: Array, weights: Parameters, state: CellState, buffers: Buffers) -> Trace:
        z = input_half(x, weights, buffers)  # (H, T, B)
        size, steps, batch = z.shape
        hidden = buffers("hidden", (size, steps + 1, batch), z.dtype)
        gates = buffers("gates", (steps, size, batch), z.dtype)
        hidden[:, 0] = state[0]
        for t in range(steps):
            np.matmul(weights["weight_hh"], hidden[:, t], out=gates[t])  # (H, H) @ (H, B)
            gates[t] += z[:, t]
            np.tanh(gates[t], out=gates[t])
            hidden[:, t + 1] = gates[t]
        return Trace(x, hidden[:, :-1], hidden, gates)

    def advance(self, z: Array, state: CellState) -> CellState:
        return (np.tanh(z, out=z),)

    def backward(
        self,
        grad_hidden: Array,
        weights: Parameters,
        trace: Trace,
        gradients: Parameters,
        error_clip: float | None,
        buffers: Buffers,
    ) -> Array:
        size, steps, batch = grad_hidden.shape
        grad_z = buffers("z", grad_hidden.shape, grad_hidden.dtype)
        back = transposed(weights["weight_hh"], "weight_hh", buffers)
        dz, from_future = (
            buffers(name, (size, batch), grad_z.dtype) for name in ("dz", "from_future")
        )
        from_future[:] = 0  # dL/dh_t by way of the steps after t
        for t in reversed(range(steps)):
            slope = trace.gates[t]
            slope *= slope
            np.subtract(1, slope, out=slope)
            np.add(grad_hidden[:, t], from_future, out=dz)
            dz *= slope
            grad_z[:, t] = dz
            np.matmul(back, dz, out=from_future)  # (H, H) @ (H, B)
            clip_in_place(from_future, error_clip)
        return weight_gradients(grad_z, weights, trace, gradients, buffers)


class LSTMCell:
    """Gates i, f, g, o are runs of H rows of z, in PyTorch's order.

        z_t = W_ih x_t + W_hh h_{t-1} + b
        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);  g = tanh(z_g)
        c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)

    Backward, with dh_t and dc_t the errors that reach step t:

        dc_t += dh_t o (1 - tanh(c_t)^2)
        dz_i = dc_t g i (1 - i);        dz_f = dc_t c_{t-1} f (1 - f)
        dz_g = dc_t i (1 - g^2);        dz_o = dh_t tanh(c_t) o (1 - o)
        dc_{t-1} = dc_t f;              dh_{t-1} = W_hh^T dz_t

    dc_{t-1} = dc_t f is the point of it all: where the forget gate is near one, the error passes
    unchanged over any distance.
    """

    gates = 4
    states = 2

    def more_shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def forward(self, x: Array, weights: Parameters, state: CellState, buffers: Buffers) -> Trace:
        z = input_half(x, weights, buffers)  # (4H, T, B)
        trace = _empty_trace(x, state, buffers)
        for t in range(x.shape[1]):
            gates = trace.gates[t]
            np.matmul(weights["weight_hh"], trace.hidden[:, t], out=gates)  # (4H, H) @ (H, B)
            gates += z[:, t]
            _traced_lstm_step(trace, t, buffers)
        return trace

    def advance(self, z: Array, state: CellState) -> CellState:
        hidden, cell, tanh_cell, written = np.empty((4, *state[0].shape), z.dtype)
        lstm_step(z, state[1], cell, tanh_cell, hidden, written)
        return hidden, cell

    def backward(
        self,
        grad_hidden: Array,
        weights: Parameters,
        trace: Trace,
        gradients: Parameters,
        error_clip: float | None,
        buffers: Buffers,
    ) -> Array:
        size, steps, batch = grad_hidden.shape
        grad_z = buffers("z", (4 * size, steps, batch), grad_hidden.dtype)
        back = transposed(weights["weight_hh"], "weight_hh", buffers)
        dz = buffers("dz", (4 * size, batch), grad_z.dtype)
        from_future, grad_h, grad_c = (
            buffers(name, (size, batch), grad_z.dtype)
            for name in ("from_future", "grad_h", "grad_c")
        )
        from_future[:] = 0  # dL/dh_t by way of the steps after t
        grad_c[:] = 0
        for t in reversed(range(steps)):
            np.add(grad_hidden[:, t], from_future, out=grad_h)
            _lstm_step_backward(trace, t, grad_h, grad_c, dz, buffers)
            grad_z[:, t] = dz
            np.matmul(back, dz, out=from_future)  # (H, 4H) @ (4H, B)
            clip_in_place(from_future, error_clip)
            clip_in_place(grad_c, error_clip)
        return weight_gradients(grad_z, weights, trace, gradients, buffers)


class MogrifierCell(LSTMCell):
    """An LSTM whose input and hidden state gate each other in turn before each step.

        x <- 2 sigmoid(Q_i h) x  in rounds i = 1, 3, ...;  h <- 2 sigmoid(R_i x) h  in i = 2, 4, ...

    and only then z_t = W_ih x + W_hh h + b, and on as in the LSTM. As the input half now waits for
    the step before it, every product is inside the loop; weight gradients still come after it.
    With s = 2 sigmoid(a), ds/da = s (2 - s) / 2.
    """

    rounds = 5

    def more_shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        sizes = (input_size, hidden_size)
        return {
            f"mogrifier_{i}": sizes if i % 2 else sizes[::-1] for i in range(1, self.rounds + 1)
        }

    def forward(self, x: Array, weights: Parameters, state: CellState, buffers: Buffers) -> Trace:
        trace = _empty_trace(x, state, buffers)
        rounds = trace.rounds = self._empty_rounds(trace, buffers)
        trace.x, trace.read = rounds.inputs[-1], rounds.hiddens[-1]
        bias = (weights["bias_ih"] + weights["bias_hh"])[:, None]
        recurrent = buffers("recurrent", trace.gates.shape[1:], x.dtype)
        for t in range(x.shape[1]):
            np.copyto(rounds.hiddens[0][:, t], trace.hidden[:, t])
            for i in range(1, self.rounds + 1):
                gated, by = _round(rounds, i)
                gate = rounds.gates[i - 1][t]
                np.matmul(weights[f"mogrifier_{i}"], by[:, t], out=gate)
                sigmoid_in_place(gate)
                gate *= 2
                np.multiply(gate, gated[0][:, t], out=gated[1][:, t])
            gates = trace.gates[t]
            np.matmul(weights["weight_ih"], trace.x[:, t], out=gates)  # (4H, D) @ (D, B)
            np.matmul(weights["weight_hh"], trace.read[:, t], out=recurrent)
            gates += recurrent
            gates += bias
            _traced_lstm_step(trace, t, buffers)
        return trace

    def _empty_rounds(self, trace: Trace, buffers: Buffers) -> MogrifierTrace:
        size, (features, steps, batch), dtype = trace.hidden.shape[0], trace.x.shape, trace.x.dtype
        inputs, hiddens = [trace.x], [buffers("h_0", (size, steps, batch), dtype)]
        gates = []
        for i in range(1, self.rounds + 1):
            rows, versions = (features, inputs) if i % 2 else (size, hiddens)
            versions.append(buffers(f"round_{i}", (rows, steps, batch), dtype))
            gates.append(buffers(f"round_gate_{i}", (steps, rows, batch), dtype))
        return MogrifierTrace(inputs, hiddens, gates)

    def backward(
        self,
        grad_hidden: Array,
        weights: Parameters,
        trace: Trace,
        gradients: Parameters,
        error_clip: float | None,
        buffers: Buffers,
    ) -> Array:
        assert trace.rounds is not None
        rounds = trace.rounds
        size, steps, batch = grad_hidden.shape
        features, dtype = len(trace.x), grad_hidden.dtype
        grad_z = buffers("z", (4 * size, steps, batch), dtype)
        grad_x = buffers("grad_x", (features, steps, batch), dtype)
        grad_gates = [
            buffers(f"grad_round_{i}", versions.swapaxes(0, 1).shape, dtype)
            for i, versions in enumerate(rounds.gates)
        ]
        back = {
            name: transposed(weights[name], name, buffers)
            for name in weights
            if not name.startswith("bias")
        }
        dz = buffers("dz", (4 * size, batch), dtype)
        grad_c = np.zeros((size, batch), dtype)
        from_future = np.zeros((size, batch), dtype)
        for t in reversed(range(steps)):
            grad_h = grad_hidden[:, t] + from_future
            _lstm_step_backward(trace, t, grad_h, grad_c, dz, buffers)
            grad_z[:, t] = dz
            errors = [back["weight_hh"] @ dz, back["weight_ih"] @ dz]  # of h (even), of x (odd)
            for i in range(self.rounds, 0, -1):
                gated, _ = _round(rounds, i)
                gate, error = rounds.gates[i - 1][t], errors[i % 2]
                grad_gate = error * gated[0][:, t] * gate * (2 - gate) * 0.5
                grad_gates[i - 1][:, t] = grad_gate
                error *= gate
                errors[1 - i % 2] += back[f"mogrifier_{i}"] @ grad_gate
            from_future, grad_x[:, t] = errors
            clip_in_place(from_future, error_clip)
            clip_in_place(grad_c, error_clip)
        for i in range(1, self.rounds + 1):
            _, by = _round(rounds, i)
            np.matmul(columns(grad_gates[i - 1]), columns(by).T, out=gradients[f"mogrifier_{i}"])
        weight_gradients(grad_z, weights, trace, gradients, buffers, input_too=False)
        return grad_x


def _round(rounds: MogrifierTrace, i: int) -> tuple[tuple[Array, Array], Array]:
    """What round i gates, before and after it, and what it is gated by."""
    if i % 2:
        k = i // 2  # the x that rounds 1, 3, 5 start from is number 0, 1, 2
        return (rounds.inputs[k], rounds.inputs[k + 1]), rounds.hiddens[k]
    k = i // 2 - 1
    return (rounds.hiddens[k], rounds.hiddens[k + 1]), rounds.inputs[k + 1]


def _empty_trace(x: Array, state: CellState, buffers: Buffers) -> Trace:
    """A trace of an LSTM with the state before the first step in it."""
    (size, batch), steps, dtype = state[0].shape, x.shape[1], x.dtype
    hidden = buffers("hidden", (size, steps + 1, batch), dtype)
    gates = buffers("gates", (steps, 4 * size, batch), dtype)
    cells = buffers("cells", (steps + 1, size, batch), dtype)
    tanh_cells = buffers("tanh_cells", (steps, size, batch), dtype)
    hidden[:, 0], cells[0] = state
    return Trace(x, hidden[:, :-1], hidden, gates, cells, tanh_cells)


def lstm_step(
    gates: Array, cell_before: Array, cell: Array, tanh_cell: Array, hidden: Array, written: Array
) -> None:
    """From z_t, which stands in `gates` (4H, B), to the gates, and to c_t, tanh(c_t) and h_t.

    All arrays but the gates are (H, B); `written` is for i g, what is written to the cell.
    """
    i, f, g, o = split_gates(gates)
    sigmoid_in_place(gates[: 2 * len(i)])
    np.tanh(g, out=g)
    sigmoid_in_place(o)
    np.multiply(f, cell_before, out=cell)
    np.multiply(i, g, out=written)
    cell += written
    np.tanh(cell, out=tanh_cell)
    np.multiply(o, tanh_cell, out=hidden)


def _traced_lstm_step(trace: Trace, t: int, buffers: Buffers) -> None:
    """One step from z_t in the trace's gates."""
    assert trace.cells is not None
    assert trace.tanh_cells is not None
    tanh_cell = trace.tanh_cells[t]
    written = buffers("written", tanh_cell.shape, tanh_cell.dtype)
    cells, hidden = trace.cells, trace.hidden[:, t + 1]
    lstm_step(trace.gates[t], cells[t], cells[t + 1], tanh_cell, hidden, written)


def _lstm_step_backward(
    trace: Trace, t: int, grad_h: Array, grad_c: Array, dz: Array, buffers: Buffers
) -> None:
    """Fills dz (4H, B) from dh_t; grad_c (H, B), which comes from t+1, becomes that of t-1."""
    assert trace.cells is not None
    assert trace.tanh_cells is not None
    gates, tanh_c = trace.gates[t], trace.tanh_cells[t]
    i, f, g, o = split_gates(gates)
    through_h = buffers("through_h", grad_h.shape, grad_h.dtype)
    np.multiply(tanh_c, tanh_c, out=through_h)
    np.subtract(1, through_h, out=through_h)
    through_h *= o
    through_h *= grad_h
    grad_c += through_h
    np.subtract(1, gates, out=dz)
    dz *= gates  # s (1 - s); and for g, which is a tanh:
    dz_i, dz_f, dz_g, dz_o = split_gates(dz)
    np.multiply(g, g, out=dz_g)
    np.subtract(1, dz_g, out=dz_g)
    dz_i *= g
    dz_f *= trace.cells[t]
    dz_g *= i
    dz_o *= tanh_c
    dz_o *= grad_h
    dz[: 3 * len(i)].reshape(3, *grad_c.shape)[:] *= grad_c
    grad_c *= f


def split_gates(gates: Array) -> tuple[Array, Array, Array, Array]:
    """Views of i, f, g, o, each (H, ...), in (4H, ...)."""
    size = len(gates) // 4
    return gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]


CELLS: dict[str, Cell] = {"lstm": LSTMCell(), "rnn": PlainCell(), "mogrifier": MogrifierCell()}
