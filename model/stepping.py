"""One token at a time, fast: what writing lyrics needs of the network.

The input half of the first layer's gates depends on the token alone, so it is computed once for
the whole vocabulary and then looked up; above it, input and hidden state meet in one product with
the two weight matrices side by side. A Mogrifier LSTM gates its input by the state, so there is
nothing to look up, and the network steps as it does while training.
"""

import numpy as np

from model.network import Ids, Network, State
from model.recurrence import Array, CellState


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
        self._recurrent = layers[0]["weight_hh"]
        self._upper = [  # (G*H, H + H) and (G*H, 1)
            (np.concatenate([layer["weight_ih"], layer["weight_hh"]], axis=1), bias[:, None])
            for layer, bias in zip(layers[1:], biases[1:], strict=True)
        ]

    def step(self, ids: Ids, state: State) -> tuple[Array, State]:
        """One token for each of B sequences: ids (B,) -> logits (B, V) and the next state."""
        if not self._plain:
            return self.network.step(ids, state)
        cell = self.network.cell
        z = self._recurrent @ state[0][0]  # (G*H, H) @ (H, B)
        z += self._of_token[ids].T
        after: list[CellState] = [cell.advance(z, state[0])]
        for (weight, bias), before in zip(self._upper, state[1:], strict=True):
            z = weight @ np.concatenate([after[-1][0], before[0]])  # (G*H, 2H) @ (2H, B)
            z += bias
            after.append(cell.advance(z, before))
        return self._logits(after[-1][0]), tuple(after)

    def _logits(self, top: Array) -> Array:
        """Logits (B, V) of the last layer's hidden state (H, B)."""
        p = self.network.parameters
        if "projection.weight" in p:
            top = p["projection.weight"] @ top + p["projection.bias"][:, None]
        return self.network.logits(top)
