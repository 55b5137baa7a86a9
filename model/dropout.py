"""What rests while training: dropout of units, and DropConnect of recurrent weights.

Units are dropped where layers meet (Zaremba et al. 2014), by default the same ones for a whole
segment (Gal & Ghahramani 2016); recurrent weights rest for a whole segment (Wan et al. 2013;
Merity et al. 2018). Everything is a function of the random seed, the step and the place in the
batch, so that it is the same however the batch is shared out between processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.recurrence import Array


@dataclass(frozen=True)
class Dropout:
    """Probabilities of resting, from 0 to below 1."""

    embedding: float = 0.0  # of an embedded token's numbers
    layers: float = 0.0  # of a unit between two recurrent layers
    output: float = 0.0  # of a unit of the last layer, before the softmax
    recurrent: float = 0.0  # of a weight from hidden state to gates
    held: bool = True  # the same units at every step of a segment

    def rate(self, place: int, last: int) -> float:
        """The probability at the input of layer `place`, or behind the last layer."""
        return self.embedding if place == 0 else self.output if place == last else self.layers


class Noise:
    """What rests in one training step, for the columns of the batch that a process works on."""

    def __init__(
        self, dropout: Dropout, layers: int, seed: Sequence[int], first_column: int = 0
    ) -> None:
        """seed: the run's random seed and the step's number, for example."""
        self._dropout = dropout
        self._layers = layers
        self._seed = list(seed)
        self._first_column = first_column
        self._generators: list[np.random.Generator] = []
        self._weight_masks: dict[int, Array] = {}

    def mask(self, place: int, shape: tuple[int, ...]) -> Array | None:
        """Factors for x (D, T, B) that zero some units and make up for it: (D, 1 or T, B)."""
        rate = self._dropout.rate(place, self._layers)
        if rate == 0:
            return None
        size, steps, batch = shape
        if not self._generators:
            self._generators = [
                np.random.default_rng([*self._seed, 0, self._first_column + column])
                for column in range(batch)
            ]
        steps = 1 if self._dropout.held else steps
        mask = np.empty((size, steps, batch), np.float32)
        for column, rng in enumerate(self._generators):
            mask[..., column] = rng.random((size, steps), np.float32) >= rate
        mask *= 1 / (1 - rate)
        return mask

    def resting_weights(self, layer: int, weight: Array) -> Array:
        """weight (G*H, H) with some of its numbers at zero and the rest made up for it."""
        rate = self._dropout.recurrent
        if rate == 0:
            return weight
        rng = np.random.default_rng([*self._seed, 1, layer])
        mask = (rng.random(weight.shape, np.float32) >= rate).astype(weight.dtype)
        mask *= 1 / (1 - rate)
        self._weight_masks[layer] = mask
        return weight * mask

    def rest_gradient(self, layer: int, gradient: Array) -> None:
        """The gradient of a layer's recurrent weights, from that of `resting_weights`."""
        if layer in self._weight_masks:
            gradient *= self._weight_masks[layer]
