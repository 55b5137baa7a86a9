"""One token at a time, fast: what writing lyrics needs of the network.

The input half of the first layer's gates depends on the token alone, so it is computed once for
the whole vocabulary and then looked up; above it, input and hidden state meet in one product with
the two weight matrices side by side. A single sequence is bound by how fast memory is read, and
BLAS reads a matrix faster by columns, so such copies are kept once they are needed. A Mogrifier
LSTM gates its input by the state, so there is nothing to look up, and the network steps as it does
while training.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.network import Ids, Network, State
from model.recurrence import Array, CellState


@dataclass(frozen=True)
class Product:
    """A matrix (M, K) to multiply columns with."""

    weight: Array

    @cached_property
    def _by_columns(self) -> Array:
        return np.asfortranarray(self.weight)

    def __call__(self, x: Array) -> Array:
        """weight @ x, (M, B) of x (K, B)."""
        product: Array = (self._by_columns if x.shape[1] == 1 else self.weight) @ x
        return product


class Stepper:
    """A network's single steps. Holds no state between calls; the parameters must not change."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._plain = not network.cell.more_shapes(1, 1)
        if not self._plain:
            return
        p = network.parameters
        layers = [network.layer(p, number) for number in range(network.config.layers)]
        biases = [layer["bias_ih"] + layer["bias_hh"] for layer in layers]
        self._of_token = p["embedding.weight"] @ layers[0]["weight_ih"].T + biases[0]  # (V, G*H)
        self._recurrent = Product(layers[0]["weight_hh"])
        self._upper = [  # (G*H, H + H) and (G*H, 1)
            (Product(np.concatenate([layer["weight_ih"], layer["weight_hh"]], axis=1)), bias)
            for layer, bias in zip(layers[1:], (bias[:, None] for bias in biases[1:]), strict=True)
        ]
        self._projection = Product(p["projection.weight"]) if "projection.weight" in p else None
        self._decoder = Product(network.decoder_weight)

    def step(self, ids: Ids, state: State) -> tuple[Array, State]:
        """One token for each of B sequences: ids (B,) -> logits (B, V) and the next state."""
        if not self._plain:
            logits, after_step = self.network.step(ids, state)
            return np.ascontiguousarray(logits), after_step
        cell = self.network.cell
        z = self._recurrent(state[0][0])  # (G*H, H) @ (H, B)
        z += self._of_token[ids].T
        after: list[CellState] = [cell.advance(z, state[0])]
        for (product, bias), before in zip(self._upper, state[1:], strict=True):
            z = product(np.concatenate([after[-1][0], before[0]]))  # (G*H, 2H) @ (2H, B)
            z += bias
            after.append(cell.advance(z, before))
        return self._logits(after[-1][0]), tuple(after)

    def _logits(self, top: Array) -> Array:
        """Logits (B, V) of the last layer's hidden state (H, B)."""
        p = self.network.parameters
        if self._projection is not None:
            top = self._projection(top) + p["projection.bias"][:, None]
        logits: Array = self._decoder(top)  # (V, E) @ (E, B)
        logits += p["decoder.bias"][:, None]
        return np.ascontiguousarray(logits.T)
