"""Optimizers: pure functions that change a flat vector of parameters in place.

What an optimizer remembers of past gradients lies in `slots` (S, N), which the caller keeps and
saves; so any slice of the vectors can be updated by any process, with the same result. They are
gone through in blocks that stay in the cache, since a step makes up to ten passes over them.
Each class names its paper; weight decay apart from the gradient is Loshchilov & Hutter 2019.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.errors import TrainingError

Vector = npt.NDArray[np.floating[Any]]
BLOCK = 65_536  # elements gone through at a time: fewer cost more in calls than the cache saves


def blocks(size: int) -> Iterator[slice]:
    """The slices of BLOCK elements that a vector of `size` is made of; the last may be shorter."""
    for start in range(0, size, BLOCK):
        yield slice(start, min(start + BLOCK, size))


def scratch_block(vector: Vector) -> Vector:
    """Room for one block of `vector`, of the same type; its values are undefined."""
    return np.empty(min(BLOCK, vector.size), vector.dtype)


@dataclass(frozen=True, kw_only=True)
class Optimizer(ABC):
    """Turns gradients into steps. Frozen: all that changes is in the arrays it is given."""

    weight_decay: float = 0.0  # w -= lr weight_decay w, before the step
    slots: ClassVar[int]  # S, the vectors that it keeps beside the parameters

    def update(
        self,
        parameters: Vector,
        gradient: Vector,
        slots: Vector,
        learning_rate: float,
        step: int,
    ) -> None:
        """One step in place; the gradient is used up.

        Shapes: parameters (N,), gradient (N,), slots (S, N), all of one floating type. `slots` are
        zeros before the first step. `step` counts from 1.
        """
        scratch = scratch_block(parameters)
        for block in blocks(parameters.size):
            w = parameters[block]
            if self.weight_decay:
                w *= 1 - learning_rate * self.weight_decay
            self._step(w, gradient[block], slots[:, block], scratch[: w.size], learning_rate, step)

    @abstractmethod
    def _step(
        self, w: Vector, u: Vector, slots: Vector, scratch: Vector, learning_rate: float, step: int
    ) -> None:
        """One step of a block of parameters w from its gradient u; scratch has their shape."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """v = momentum v + u;  w -= lr v (Polyak 1964, in torch.optim.SGD's form).

    The slot holds v; without momentum it stays zero.
    """

    momentum: float = 0.0
    slots: ClassVar[int] = 1

    def _step(
        self, w: Vector, u: Vector, slots: Vector, scratch: Vector, learning_rate: float, step: int
    ) -> None:
        if self.momentum:
            velocity = slots[0]
            velocity *= self.momentum
            velocity += u
            np.multiply(velocity, learning_rate, out=u)
        else:
            u *= learning_rate
        w -= u


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """G = decay G + (1 - decay) u^2;  w -= lr u / sqrt(G + 1e-8).

    Hinton's lecture 6e (Tieleman & Hinton 2012). The epsilon stands inside the root, as in the
    lesson that this project grew from; PyTorch has it outside. The slot holds
    G / (1 - decay), a plain sum, which spares a pass.
    """

    decay: float = 0.9
    slots: ClassVar[int] = 1
    epsilon: ClassVar[float] = 1e-8

    def _step(
        self, w: Vector, u: Vector, slots: Vector, scratch: Vector, learning_rate: float, step: int
    ) -> None:
        squares, root = slots[0], scratch
        squares *= self.decay
        squares += np.square(u, out=root)
        np.add(squares, self.epsilon / (1 - self.decay), out=root)
        np.sqrt(root, out=root)
        u /= root
        u *= learning_rate / (1 - self.decay) ** 0.5
        w -= u


@dataclass(frozen=True, kw_only=True)
class AdaGrad(Optimizer):
    """G += u^2;  w -= lr u / (sqrt(G) + 1e-10) (Duchi et al. 2011). The slot holds G."""

    slots: ClassVar[int] = 1
    epsilon: ClassVar[float] = 1e-10

    def _step(
        self, w: Vector, u: Vector, slots: Vector, scratch: Vector, learning_rate: float, step: int
    ) -> None:
        squares, root = slots[0], scratch
        squares += np.square(u, out=root)
        np.sqrt(squares, out=root)
        root += self.epsilon
        u /= root
        u *= learning_rate
        w -= u


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """m = b1 m + (1 - b1) u;  v = b2 v + (1 - b2) u^2;  w -= lr m^ / (sqrt(v^) + 1e-8).

    Kingma & Ba 2015. m^ and v^ are m and v divided by 1 - b^t, which undoes their start at zero.
    The slots hold m / (1 - b1) and v / (1 - b2), plain sums, which spares two passes; all
    factors meet in the last. With a weight decay this is AdamW. With beta1 = 0 it is RMSprop with
    that correction, which Melis et al. 2020 train with: m is the gradient itself, and the first
    slot stays zero.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    slots: ClassVar[int] = 2
    epsilon: ClassVar[float] = 1e-8

    def _step(
        self, w: Vector, u: Vector, slots: Vector, scratch: Vector, learning_rate: float, step: int
    ) -> None:
        sums, squares = slots
        scale = ((1 - self.beta2) / (1 - self.beta2**step)) ** 0.5  # sqrt(v^) / sqrt(squares)
        if self.beta1:
            sums *= self.beta1
            sums += u
            direction, root = sums, u  # u is free now: one array fewer in the cache
        else:
            direction, root = u, scratch
        squares *= self.beta2
        squares += np.square(u, out=root)
        np.sqrt(squares, out=root)
        root += self.epsilon / scale
        np.divide(direction, root, out=root)
        root *= learning_rate * (1 - self.beta1) / (1 - self.beta1**step) / scale
        w -= root


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": AdaGrad,
    "adam": Adam,
}


def make_optimizer(
    name: str,
    *,
    momentum: float = 0.0,
    decay: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    weight_decay: float = 0.0,
) -> Optimizer:
    """The optimizer called `name`, a key of OPTIMIZERS, with those options that it has.

    Raises TrainingError for an unknown name, and for a value that no optimizer can work with.
    """
    shares = {"momentum": momentum, "decay": decay, "beta1": beta1, "beta2": beta2}
    for option, value in shares.items():
        if not 0 <= value < 1:
            raise TrainingError(f"{option} must be from 0 to below 1.")
    if not 0 <= weight_decay < float("inf"):
        raise TrainingError("weight_decay must be 0 or more.")
    if name not in OPTIMIZERS:
        raise TrainingError(f"optimizer must be one of {', '.join(OPTIMIZERS)}.")
    kind = OPTIMIZERS[name]
    options = shares | {"weight_decay": weight_decay}
    return kind(**{field.name: options[field.name] for field in fields(kind)})


def clip_value(gradient: Vector, bound: float) -> None:
    """Bring every element of the gradient (N,) into [-bound, bound], in place."""
    np.clip(gradient, -bound, bound, out=gradient)


def squared_norm(gradient: Vector) -> float:
    """The sum of the squares of the gradient (N,), for clipping by the norm.

    Slices' results add up to the whole's. Blocks are summed in their own precision and then in
    float64, which for float32 is right to about 1e-7. Not finite where the gradient is not.
    """
    return sum(float(np.dot(gradient[block], gradient[block])) for block in blocks(gradient.size))


def clip_scale(norm: float, bound: float) -> float:
    """What brings a gradient of this norm down to `bound`, at most 1 (Pascanu et al. 2013)."""
    return min(1.0, bound / norm) if norm > 0 else 1.0
