"""The language model: tokens -> embedding -> recurrent layers -> projection -> tied softmax.

Parameters carry the names, shapes and gate order of a PyTorch state dict (`nn.Embedding`,
`nn.LSTM` or `nn.RNN`, `nn.Linear`). Tying the output to the embedding: Press & Wolf 2017.
Dropout on the non-recurrent connections, one mask held for a whole segment: Gal & Ghahramani 2016.
Shapes: T steps, B sequences, V vocabulary, E embedding, H hidden, G gates.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.cells import CELLS, Array, CellState, Trace

Ids = npt.NDArray[np.integer]
Parameters = dict[str, Array]
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
        rows = CELLS[self.cell].gates * h
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (v, e)}
        for layer in range(self.layers):
            shapes[f"rnn.weight_ih_l{layer}"] = (rows, e if layer == 0 else h)
            shapes[f"rnn.weight_hh_l{layer}"] = (rows, h)
            shapes[f"rnn.bias_ih_l{layer}"] = (rows,)
            shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
        if h != e:
            shapes |= {"projection.weight": (e, h), "projection.bias": (e,)}
        if not self.tied:
            shapes["decoder.weight"] = (v, e)
        shapes["decoder.bias"] = (v,)
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def initial_parameters(config: NetworkConfig, rng: np.random.Generator) -> Parameters:
    """Random float32 parameters: uniform, with the forget gate's bias at 1.

    A forget gate that starts open lets the error reach far from the first step on (Gers et al.
    2000; Jozefowicz et al. 2015).
    """
    parameters: Parameters = {}
    for name, shape in config.shapes().items():
        bound = 0.1 if name.startswith(("embedding", "decoder")) else config.hidden_size**-0.5
        if "bias" in name:
            parameters[name] = np.zeros(shape, np.float32)
        else:
            parameters[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
        if config.cell == "lstm" and "bias_ih" in name:
            parameters[name][config.hidden_size : 2 * config.hidden_size] = 1
    return parameters


@dataclass
class Activations:
    """What a forward pass keeps for the backward pass."""

    output: Array  # (T, B, E), what the softmax sees
    inputs: list[Array]  # each layer's input (T, B, E or H)
    traces: list[Trace]
    masks: list[Array | None]  # dropout on each layer's input, then on the last layer's output
    top: Array  # (T, B, H), the last layer's hidden states after dropout

    @property
    def state(self) -> State:
        """The recurrent state after the last step."""
        return tuple(trace.state for trace in self.traces)


@dataclass
class Gradients:
    """The result of one backward pass."""

    loss: float  # sum of weight * nats over all tokens
    gradients: Parameters
    state: State  # to carry into the next segment


class Network:
    """A recurrent language model: parameters and the mathematics on them. Holds no state."""

    def __init__(self, config: NetworkConfig, parameters: Parameters) -> None:
        self.config = config
        self.parameters = parameters
        self.cell = CELLS[config.cell]
        self.dtype = parameters["embedding.weight"].dtype

    @property
    def parameter_count(self) -> int:
        """How many numbers the network has learned."""
        return sum(array.size for array in self.parameters.values())

    @property
    def decoder_weight(self) -> Array:
        """The softmax's matrix (V, E)."""
        return self.parameters["embedding.weight" if self.config.tied else "decoder.weight"]

    def zero_state(self, batch: int) -> State:
        """The state before the first token: zeros, (B, H) for each layer and carried array."""
        shape = (batch, self.config.hidden_size)
        layer = tuple(np.zeros(shape, self.dtype) for _ in range(self.cell.states))
        return (layer,) * self.config.layers

    def forward(
        self,
        ids: Ids,
        state: State,
        *,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Activations:
        """Run the network over ids (T, B) from `state`.

        With `rng`, each unit of a layer's input is dropped with probability `dropout`, the same
        units at every step of the segment.
        """
        p = self.parameters
        x = p["embedding.weight"][ids]  # (T, B, E)
        inputs: list[Array] = []
        traces: list[Trace] = []
        masks: list[Array | None] = []
        for layer in range(self.config.layers):
            x = self._dropped(x, dropout, rng, masks)
            inputs.append(x)
            z = x.reshape(-1, x.shape[-1]) @ p[f"rnn.weight_ih_l{layer}"].T  # (T*B, G*H)
            z += p[f"rnn.bias_ih_l{layer}"] + p[f"rnn.bias_hh_l{layer}"]
            z = z.reshape(*ids.shape, z.shape[-1])
            traces.append(self.cell.forward(z, p[f"rnn.weight_hh_l{layer}"], state[layer]))
            x = traces[-1].hidden[1:]  # (T, B, H)
        top = self._dropped(x, dropout, rng, masks)
        output = top
        if "projection.weight" in p:
            output = top @ p["projection.weight"].T + p["projection.bias"]  # (T, B, E)
        return Activations(output, inputs, traces, masks, top)

    @staticmethod
    def _dropped(
        x: Array, dropout: float, rng: np.random.Generator | None, masks: list[Array | None]
    ) -> Array:
        if rng is None or dropout == 0:
            masks.append(None)
            return x
        keep = rng.random(x.shape[1:], np.float32) >= dropout  # (B, D), one for all steps
        mask: Array = keep.astype(x.dtype) / (1 - dropout)
        masks.append(mask)
        return x * mask

    def logits(self, output: Array) -> Array:
        """Unnormalized log-probabilities (..., V) from outputs (..., E)."""
        return output @ self.decoder_weight.T + self.parameters["decoder.bias"]

    def step(self, ids: Ids, state: State) -> tuple[Array, State]:
        """One token for each of B sequences: ids (B,) -> logits (B, V) and the next state."""
        activations = self.forward(ids[None], state)
        return self.logits(activations.output[0]), activations.state

    def token_nats(self, ids: Ids, targets: Ids, state: State) -> tuple[Array, State]:
        """-log p(target) in nats, (T, B), for ids and targets (T, B); and the state after them."""
        activations = self.forward(ids, state)
        rows = activations.output.reshape(-1, self.config.embedding_size)
        flat = targets.reshape(-1)
        nats = np.empty(len(flat), self.dtype)
        for start in range(0, len(flat), SOFTMAX_ROWS):
            part = slice(start, start + SOFTMAX_ROWS)
            nats[part], _ = cross_entropy(self.logits(rows[part]), flat[part])
        return nats.reshape(targets.shape), activations.state

    def loss_and_gradients(
        self,
        ids: Ids,
        targets: Ids,
        weights: Array,
        state: State,
        *,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
        error_clip: float | None = None,
    ) -> Gradients:
        """Forward and truncated back-propagation through time over one segment.

        ids, targets, weights (T, B). The loss is sum(weights * nats), so a weight of zero leaves
        a token out and a negative one teaches against it. error_clip: see `Cell.backward`.
        """
        activations = self.forward(ids, state, dropout=dropout, rng=rng)
        carried = activations.state
        gradients: Parameters = {}
        loss, grad_output = self._softmax_backward(activations.output, targets, weights, gradients)
        grad_x = self._layers_backward(activations, grad_output, gradients, error_clip)
        scatter_rows(grad_x, ids, gradients, self.config.vocabulary_size)
        return Gradients(loss, {name: gradients[name] for name in self.parameters}, carried)

    def _softmax_backward(
        self, output: Array, targets: Ids, weights: Array, gradients: Parameters
    ) -> tuple[float, Array]:
        """The loss and dL/d output (T, B, E); leaves the decoder's gradients in `gradients`."""
        decoder = self.decoder_weight
        rows = output.reshape(-1, decoder.shape[1])
        flat_targets, flat_weights = targets.reshape(-1), weights.reshape(-1)
        grad_rows = np.empty_like(rows)
        grad_decoder = np.zeros_like(decoder)
        grad_bias = np.zeros_like(self.parameters["decoder.bias"])
        loss = 0.0
        for start in range(0, len(rows), SOFTMAX_ROWS):
            part = slice(start, start + SOFTMAX_ROWS)
            nats, probabilities = cross_entropy(self.logits(rows[part]), flat_targets[part])
            loss += float(nats @ flat_weights[part])
            grad_logits = probabilities  # d nats / d logits = p - onehot(target)
            grad_logits[np.arange(len(nats)), flat_targets[part]] -= 1
            grad_logits *= flat_weights[part, None]
            np.matmul(grad_logits, decoder, out=grad_rows[part])  # (N, V) @ (V, E)
            grad_decoder += grad_logits.T @ rows[part]  # (V, N) @ (N, E)
            grad_bias += grad_logits.sum(axis=0)
        gradients["embedding.weight" if self.config.tied else "decoder.weight"] = grad_decoder
        gradients["decoder.bias"] = grad_bias
        return loss, grad_rows.reshape(output.shape)

    def _layers_backward(
        self,
        activations: Activations,
        grad_output: Array,
        gradients: Parameters,
        error_clip: float | None,
    ) -> Array:
        """dL/d embedded tokens (T*B, E); leaves projection's and layers' gradients."""
        p = self.parameters
        grad = grad_output
        if "projection.weight" in p:
            flat = grad.reshape(-1, grad.shape[-1])
            top = activations.top.reshape(-1, activations.top.shape[-1])
            gradients["projection.weight"] = flat.T @ top  # (E, T*B) @ (T*B, H)
            gradients["projection.bias"] = flat.sum(axis=0)
            grad = grad @ p["projection.weight"]  # (T, B, H)
        if (mask := activations.masks[-1]) is not None:
            grad = grad * mask
        for layer in reversed(range(self.config.layers)):
            trace = activations.traces[layer]
            weight_hh = p[f"rnn.weight_hh_l{layer}"]
            grad_z = self.cell.backward(grad, weight_hh, trace, error_clip)
            flat = grad_z.reshape(-1, grad_z.shape[-1])  # (T*B, G*H)
            x = activations.inputs[layer]
            before = trace.hidden[:-1]
            gradients[f"rnn.weight_ih_l{layer}"] = flat.T @ x.reshape(len(flat), -1)
            gradients[f"rnn.weight_hh_l{layer}"] = flat.T @ before.reshape(len(flat), -1)
            bias = flat.sum(axis=0)
            gradients[f"rnn.bias_ih_l{layer}"] = bias
            gradients[f"rnn.bias_hh_l{layer}"] = bias.copy()
            grad = (flat @ p[f"rnn.weight_ih_l{layer}"]).reshape(x.shape)
            if (mask := activations.masks[layer]) is not None:
                grad *= mask
        return grad.reshape(-1, grad.shape[-1])


def cross_entropy(logits: Array, targets: Ids) -> tuple[Array, Array]:
    """Nats (N,) of targets (N,) and the softmax (N, V) of logits (N, V), which is overwritten."""
    rows = np.arange(len(targets))
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[rows, targets]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    logits /= total
    return np.log(total[:, 0]) - chosen, logits


def scatter_rows(grad_x: Array, ids: Ids, gradients: Parameters, vocabulary_size: int) -> None:
    """Add the embedded tokens' gradients (T*B, E) to the rows of their ids.

    Equal ids are brought together by sorting and summed by segment: no one-hot matrix.
    """
    flat = ids.reshape(-1)
    order = np.argsort(flat, kind="stable")
    found, starts = np.unique(flat[order], return_index=True)
    sums = np.add.reduceat(grad_x[order], starts, axis=0)
    if "embedding.weight" not in gradients:
        gradients["embedding.weight"] = np.zeros((vocabulary_size, grad_x.shape[1]), grad_x.dtype)
    gradients["embedding.weight"][found] += sums
