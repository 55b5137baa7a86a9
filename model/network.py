"""The language model: tokens -> embedding -> recurrent layers -> projection -> tied softmax.

Parameters carry the names, shapes and gate order of a PyTorch state dict (`nn.Embedding`,
`nn.LSTM` or `nn.RNN`, `nn.Linear`), and are views into one flat vector, so that an optimizer, a
checkpoint or another process sees plain numbers. Tying the output to the embedding: Press & Wolf
2017. Shapes: T steps, B sequences, V vocabulary, E embedding, H hidden, G gates.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.cells import CELLS
from model.dropout import Noise
from model.recurrence import Array, Buffers, CellState, Parameters, Trace, columns

Ids = npt.NDArray[np.integer]
State = tuple[CellState, ...]  # one entry a layer
SOFTMAX_ROWS = 512  # rows of logits worked on at a time, so that they stay in the cache


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes that make a network; part of `config.json`."""

    vocabulary_size: int  # V
    embedding_size: int = 256  # E
    hidden_size: int = 512  # H
    layers: int = 2
    cell: str = "lstm"  # a key of CELLS
    tied: bool = True  # the softmax shares the embedding's matrix

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, in the order of the state dict."""
        v, e, h = self.vocabulary_size, self.embedding_size, self.hidden_size
        cell = CELLS[self.cell]
        rows = cell.gates * h
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (v, e)}
        for layer in range(self.layers):
            inputs = e if layer == 0 else h
            shapes[f"rnn.weight_ih_l{layer}"] = (rows, inputs)
            shapes[f"rnn.weight_hh_l{layer}"] = (rows, h)
            shapes[f"rnn.bias_ih_l{layer}"] = (rows,)
            shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
            for name, shape in cell.more_shapes(inputs, h).items():
                shapes[f"rnn.{name}_l{layer}"] = shape
        if h != e:
            shapes |= {"projection.weight": (e, h), "projection.bias": (e,)}
        if not self.tied:
            shapes["decoder.weight"] = (v, e)
        shapes["decoder.bias"] = (v,)
        return shapes

    @property
    def parameter_count(self) -> int:
        """N, how many numbers the network learns."""
        return sum(int(np.prod(shape)) for shape in self.shapes().values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def views(config: NetworkConfig, vector: Array) -> Parameters:
    """The parameters by name, or their gradients, as views into a flat vector (N,)."""
    parameters: Parameters = {}
    start = 0
    for name, shape in config.shapes().items():
        end = start + int(np.prod(shape))
        parameters[name] = vector[start:end].reshape(shape)
        start = end
    return parameters


def flat(config: NetworkConfig, parameters: Parameters) -> Array:
    """The vector (N,) that `views` would give these parameters of."""
    return np.concatenate([parameters[name].ravel() for name in config.shapes()])


def initial_parameters(config: NetworkConfig, rng: np.random.Generator) -> Array:
    """Random float32 parameters (N,), with the forget gate's bias at 1.

    Matrices are uniform within 1 / sqrt(columns); an embedding of its own is normal, as
    PyTorch's, so that the first layer hears it from the first step on.

    A forget gate that starts open lets the error reach far from the first step on (Gers et al.
    2000; Jozefowicz et al. 2015).
    """
    vector = np.zeros(config.parameter_count, np.float32)
    for name, array in views(config, vector).items():
        if name == "embedding.weight" and not config.tied:
            array[:] = rng.normal(0, 1, array.shape)  # too large for a softmax, but not for a layer
        elif "bias" not in name:
            bound = 0.1 if name == "embedding.weight" else array.shape[-1] ** -0.5
            array[:] = rng.uniform(-bound, bound, array.shape)
        elif "bias_ih" in name and CELLS[config.cell].gates == 4:
            array[config.hidden_size : 2 * config.hidden_size] = 1
    return vector


@dataclass
class Activations:
    """What a forward pass keeps for the backward pass."""

    output: Array  # (E, T, B), what the softmax sees
    traces: list[Trace]
    layer_weights: list[Parameters]  # as the layers used them, some recurrent weights at rest
    masks: list[Array | None]  # dropout on each layer's input, then on the last layer's output
    top: Array  # (H, T, B), the last layer's hidden states after dropout

    @property
    def state(self) -> State:
        """The recurrent state after the last step."""
        return tuple(trace.state for trace in self.traces)


@dataclass
class Gradients:
    """The result of one backward pass."""

    loss: float  # sum of weight * nats over all tokens
    vector: Array  # (N,), dL/d parameters
    state: State  # to carry into the next segment
    inputs: Array  # (E, T, B), dL/d embedded tokens; of use until the buffers are used again


def within(ids: Ids, part: range) -> npt.NDArray[np.bool_]:
    """Which of the ids are of a range."""
    return (ids >= part.start) & (ids < part.stop)


class Network:
    """A recurrent language model: parameters and the mathematics on them. Holds no state."""

    def __init__(self, config: NetworkConfig, vector: Array) -> None:
        """vector (N,): all parameters; not copied."""
        self.config = config
        self.vector = vector
        self.parameters = views(config, vector)
        self.cell = CELLS[config.cell]
        self.dtype = vector.dtype

    @property
    def decoder_weight(self) -> Array:
        """The softmax's matrix (V, E)."""
        return self.parameters["embedding.weight" if self.config.tied else "decoder.weight"]

    def zero_state(self, batch: int) -> State:
        """The state before the first token: zeros, (H, B) for each layer and carried array."""
        shape = (self.config.hidden_size, batch)
        layer = tuple(np.zeros(shape, self.dtype) for _ in range(self.cell.states))
        return (layer,) * self.config.layers

    def layer(self, parameters: Parameters, number: int) -> Parameters:
        """One layer's part of parameters or gradients, under its short names."""
        ending = f"_l{number}"
        return {
            name.removeprefix("rnn.").removesuffix(ending): array
            for name, array in parameters.items()
            if name.startswith("rnn.") and name.endswith(ending)
        }

    def forward(
        self,
        ids: Ids,
        state: State,
        noise: Noise | None = None,
        buffers: list[Buffers] | None = None,
    ) -> Activations:
        """Run the network over ids (T, B) from `state`; `noise` is what rests while training.

        buffers, one a layer and one more: the result is of use until they are used again.
        """
        buffers = buffers or self.buffers()
        p, own = self.parameters, buffers[-1]
        embedded = np.moveaxis(p["embedding.weight"][ids], 2, 0)  # (E, T, B)
        x = own("embedded", embedded.shape, self.dtype)
        np.copyto(x, embedded)
        traces: list[Trace] = []
        used: list[Parameters] = []
        masks: list[Array | None] = []
        for layer in range(self.config.layers):
            masks.append(None if noise is None else noise.mask(layer, x.shape))
            weights = self.layer(p, layer)
            if noise is not None:
                weights["weight_hh"] = noise.resting_weights(layer, weights["weight_hh"])
            x = _masked(x, masks[-1], own(f"masked_{layer}", x.shape, self.dtype))
            used.append(weights)
            traces.append(self.cell.forward(x, weights, state[layer], buffers[layer]))
            x = traces[-1].hidden[:, 1:]  # (H, T, B)
        masks.append(None if noise is None else noise.mask(self.config.layers, x.shape))
        top = own("top", x.shape, self.dtype)
        if masks[-1] is None:
            np.copyto(top, x)
        else:
            np.multiply(x, masks[-1], out=top)
        output = top
        if "projection.weight" in p:
            output = own("output", (self.config.embedding_size, *ids.shape), self.dtype)
            np.matmul(p["projection.weight"], columns(top), out=columns(output))
            output += p["projection.bias"][:, None, None]
        return Activations(output, traces, used, masks, top)

    def buffers(self) -> list[Buffers]:
        """Memory for `forward` and `loss_and_gradients`, to be made once for many segments."""
        return [Buffers() for _ in range(self.config.layers + 1)]

    def logits(self, output: Array) -> Array:
        """Unnormalized log-probabilities (N, V) from outputs (E, N)."""
        logits: Array = output.T @ self.decoder_weight.T
        logits += self.parameters["decoder.bias"]
        return logits

    def step(self, ids: Ids, state: State) -> tuple[Array, State]:
        """One token for each of B sequences: ids (B,) -> logits (B, V) and the next state."""
        activations = self.forward(ids[None], state)
        return self.logits(columns(activations.output)), activations.state

    def token_nats(self, ids: Ids, targets: Ids, state: State) -> tuple[Array, State]:
        """-log p(target) in nats, (T, B), for ids and targets (T, B); and the state after them."""
        activations = self.forward(ids, state)
        output, flat_targets = columns(activations.output), targets.reshape(-1)
        nats = np.empty(len(flat_targets), self.dtype)
        for start in range(0, len(nats), SOFTMAX_ROWS):
            part = slice(start, start + SOFTMAX_ROWS)
            nats[part], *_ = exponentials(self.logits(output[:, part]), flat_targets[part])
        return nats.reshape(targets.shape), activations.state

    def loss_and_gradients(
        self,
        ids: Ids,
        targets: Ids,
        weights: Array,
        state: State,
        *,
        noise: Noise | None = None,
        error_clip: float | None = None,
        vector: Array | None = None,
        buffers: list[Buffers] | None = None,
    ) -> Gradients:
        """Forward and truncated back-propagation through time over one segment.

        ids, targets, weights (T, B). The loss is sum(weights * nats), so a weight of zero leaves
        a token out and a negative one teaches against it. error_clip: see `Cell.backward`.
        vector (N,): where the gradient is to be written.
        """
        buffers = buffers or self.buffers()
        vector = np.empty_like(self.vector) if vector is None else vector
        gradients = views(self.config, vector)
        activations = self.forward(ids, state, noise, buffers)
        carried = activations.state
        loss, grad_output = self._softmax_backward(
            activations.output, targets, weights, gradients, buffers[-1]
        )
        grad_x = self._layers_backward(activations, grad_output, gradients, error_clip, buffers)
        if not self.config.tied:
            gradients["embedding.weight"][:] = 0
        add_rows(gradients["embedding.weight"], columns(grad_x).T, ids.reshape(-1))
        if noise is not None:
            for layer in range(self.config.layers):
                noise.rest_gradient(layer, gradients[f"rnn.weight_hh_l{layer}"])
        return Gradients(loss, vector, carried, grad_x)

    def _softmax_backward(
        self,
        output: Array,
        targets: Ids,
        weights: Array,
        gradients: Parameters,
        own: Buffers,
    ) -> tuple[float, Array]:
        """The loss and dL/d output (E, T, B); leaves the decoder's gradients in `gradients`."""
        decoder = self.decoder_weight
        flat_output, flat_targets = columns(output), targets.reshape(-1)
        flat_weights = weights.reshape(-1)
        grad_output = own("grad_output", output.shape, self.dtype)
        grad_decoder = gradients["embedding.weight" if self.config.tied else "decoder.weight"]
        grad_decoder[:] = 0
        gradients["decoder.bias"][:] = 0
        product = own("grad_decoder", decoder.shape, self.dtype)
        loss = 0.0
        for start in range(0, len(flat_targets), SOFTMAX_ROWS):
            part = slice(start, min(start + SOFTMAX_ROWS, len(flat_targets)))
            rows = np.arange(part.stop - start)
            logits = own("logits", (len(rows), len(decoder)), self.dtype)
            np.matmul(flat_output[:, part].T, decoder.T, out=logits)  # (N, E) @ (E, V)
            logits += self.parameters["decoder.bias"]
            nats, exps, totals = exponentials(logits, flat_targets[part])
            loss += float(nats @ flat_weights[part])
            grad_logits = exps  # d nats / d logits = p - onehot(target), p = exp / total
            grad_logits *= (flat_weights[part] / totals)[:, None]
            grad_logits[rows, flat_targets[part]] -= flat_weights[part]
            np.matmul(decoder.T, grad_logits.T, out=columns(grad_output)[:, part])
            np.matmul(grad_logits.T, flat_output[:, part].T, out=product)  # (V, N) @ (N, E)
            grad_decoder += product
            gradients["decoder.bias"] += grad_logits.sum(axis=0)
        return loss, grad_output

    def _layers_backward(
        self,
        activations: Activations,
        grad_output: Array,
        gradients: Parameters,
        error_clip: float | None,
        buffers: list[Buffers],
    ) -> Array:
        """dL/d embedded tokens (E, T, B); leaves projection's and layers' gradients."""
        p = self.parameters
        grad = grad_output
        if "projection.weight" in p:
            flat_grad = columns(grad)
            top = columns(activations.top)
            np.matmul(flat_grad, top.T, out=gradients["projection.weight"])  # (E, TB) @ (TB, H)
            np.sum(flat_grad, axis=1, out=gradients["projection.bias"])
            grad = buffers[-1]("grad_top", activations.top.shape, self.dtype)
            np.matmul(p["projection.weight"].T, flat_grad, out=columns(grad))
        grad = _masked(grad, activations.masks[-1], grad)
        for layer in reversed(range(self.config.layers)):
            grad = self.cell.backward(
                grad,
                activations.layer_weights[layer],
                activations.traces[layer],
                self.layer(gradients, layer),
                error_clip,
                buffers[layer],
            )
            grad = _masked(grad, activations.masks[layer], grad)
        return grad


def _masked(x: Array, mask: Array | None, out: Array) -> Array:
    return x if mask is None else np.multiply(x, mask, out=out)


def with_temperature(network: Network, temperature: float) -> Array:
    """The parameters (N,) of a network whose logits are those of `network` / temperature.

    They are unchanged where the softmax's only matrix is the embedding: no weight of its own is
    there to take the factor.
    """
    vector = network.vector.copy()
    parameters = views(network.config, vector)
    linear = "projection" if "projection.weight" in parameters else "decoder"
    if f"{linear}.weight" in parameters:
        for name in {f"{linear}.weight", f"{linear}.bias", "decoder.bias"}:
            parameters[name] /= temperature
    return vector


def exponentials(logits: Array, targets: Ids) -> tuple[Array, Array, Array]:
    """The softmax in parts, for logits (N, V), which are overwritten, and targets (N,).

    Nats of the targets (N,); exp(logit - largest logit of the row) (N, V); its row sums (N,).
    """
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(targets)), targets]
    np.exp(logits, out=logits)
    totals = logits.sum(axis=1)
    return np.log(totals) - chosen, logits, totals


def add_rows(table: Array, rows: Array, ids: Ids) -> None:
    """table[ids[n]] += rows[n], for rows (N, E) and ids (N,).

    Equal ids are brought together by sorting and summed by segment: no one-hot matrix.
    """
    order = np.argsort(ids, kind="stable")
    found, starts = np.unique(ids[order], return_index=True)
    table[found] += np.add.reduceat(rows[order], starts, axis=0)
