"""Optimizers: they change parameters in place, and their whole state can be saved and restored.

RMSprop: Hinton's lecture 6e (Tieleman & Hinton 2012), in the form this project grew from.
Adam: Kingma & Ba 2015. Clipping by the norm of the whole gradient: Pascanu et al. 2013.
"""

from typing import Protocol

import numpy as np

from model.network import Parameters


class Optimizer(Protocol):
    """Updates parameters from gradients of the same names and shapes."""

    def update(self, parameters: Parameters, gradients: Parameters, learning_rate: float) -> None:
        """One step, in place; the gradients are used up."""

    def state(self) -> Parameters:
        """Every array that the next step depends on, by name."""

    def restore(self, state: Parameters) -> None:
        """Go on from what `state` gave."""


class RMSprop:
    """G = 0.9 G + 0.1 u^2;  w -= lr u / sqrt(G + 1e-8)."""

    decay = 0.9
    epsilon = 1e-8

    def __init__(self) -> None:
        self._mean_squares: Parameters = {}

    def update(self, parameters: Parameters, gradients: Parameters, learning_rate: float) -> None:
        for name, gradient in gradients.items():
            mean_square = self._mean_squares.setdefault(name, np.zeros_like(gradient))
            mean_square *= self.decay
            mean_square += (1 - self.decay) * np.square(gradient)
            gradient *= learning_rate
            gradient /= np.sqrt(mean_square + self.epsilon)
            parameters[name] -= gradient

    def state(self) -> Parameters:
        return dict(self._mean_squares)

    def restore(self, state: Parameters) -> None:
        self._mean_squares = dict(state)


class Adam:
    """m = b1 m + (1 - b1) u;  v = b2 v + (1 - b2) u^2;  w -= lr m^ / (sqrt(v^) + eps).

    m^ and v^ are m and v divided by 1 - b^t, which undoes their start at zero.
    """

    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8

    def __init__(self) -> None:
        self._steps = 0
        self._means: Parameters = {}
        self._mean_squares: Parameters = {}

    def update(self, parameters: Parameters, gradients: Parameters, learning_rate: float) -> None:
        self._steps += 1
        rate = learning_rate / (1 - self.beta1**self._steps)
        correction = (1 - self.beta2**self._steps) ** 0.5
        for name, gradient in gradients.items():
            mean = self._means.setdefault(name, np.zeros_like(gradient))
            mean_square = self._mean_squares.setdefault(name, np.zeros_like(gradient))
            mean += (1 - self.beta1) * (gradient - mean)
            np.square(gradient, out=gradient)
            mean_square += (1 - self.beta2) * (gradient - mean_square)
            np.sqrt(mean_square, out=gradient)
            gradient /= correction
            gradient += self.epsilon
            np.divide(mean, gradient, out=gradient)
            gradient *= rate
            parameters[name] -= gradient

    def state(self) -> Parameters:
        arrays = {f"mean.{name}": array for name, array in self._means.items()}
        arrays |= {f"mean_square.{name}": array for name, array in self._mean_squares.items()}
        return arrays | {"steps": np.array([self._steps], np.float64)}

    def restore(self, state: Parameters) -> None:
        self._steps = int(state["steps"][0])
        self._means = {
            name.removeprefix("mean."): array
            for name, array in state.items()
            if name.startswith("mean.")
        }
        self._mean_squares = {
            name.removeprefix("mean_square."): array
            for name, array in state.items()
            if name.startswith("mean_square.")
        }


OPTIMIZERS: dict[str, type[RMSprop] | type[Adam]] = {"rmsprop": RMSprop, "adam": Adam}


def clip_norm(gradients: Parameters, bound: float) -> float:
    """Scale all gradients so that their common L2 norm is at most `bound`; the norm before."""
    norm = float(np.sqrt(sum(float(np.vdot(array, array)) for array in gradients.values())))
    if norm > bound:
        for array in gradients.values():
            array *= bound / norm
    return norm
