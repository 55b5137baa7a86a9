"""Optimizers: their formulas, their state, and clipping."""

import numpy as np
import pytest

from model.network import Parameters
from model.optimizers import OPTIMIZERS, Adam, Optimizer, RMSprop, clip_norm


def run(optimizer: Optimizer, steps: int, start: float = 1.0) -> list[float]:
    """Minimize w^2 from `start`; the values of w after each step."""
    parameters: Parameters = {"w": np.array([start])}
    path = []
    for _ in range(steps):
        optimizer.update(parameters, {"w": 2 * parameters["w"]}, 0.1)
        path.append(float(parameters["w"][0]))
    return path


def test_rmsprop_follows_its_formula() -> None:
    w, mean_square, expected = 1.0, 0.0, []
    for _ in range(5):
        u = 2 * w
        mean_square = 0.9 * mean_square + 0.1 * u * u
        w -= 0.1 * u / (mean_square + 1e-8) ** 0.5
        expected.append(w)
    np.testing.assert_allclose(run(RMSprop(), 5), expected, rtol=1e-12)


def test_adam_follows_its_formula() -> None:
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in range(1, 6):
        u = 2 * w
        m = 0.9 * m + 0.1 * u
        v = 0.999 * v + 0.001 * u * u
        w -= 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        expected.append(w)
    np.testing.assert_allclose(run(Adam(), 5), expected, rtol=1e-12)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_restored_optimizer_goes_on_as_if_it_had_not_stopped(name: str) -> None:
    whole = run(OPTIMIZERS[name](), 6)
    first = OPTIMIZERS[name]()
    middle = run(first, 3)[-1]
    second = OPTIMIZERS[name]()
    second.restore(first.state())
    assert run(second, 3, start=middle) == whole[3:]


def test_a_gradient_above_the_bound_is_scaled_to_it_and_one_below_is_left() -> None:
    gradients: Parameters = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert clip_norm(gradients, 10) == 5
    assert gradients["a"][0] == 3
    assert clip_norm(gradients, 1) == 5
    np.testing.assert_allclose([gradients["a"][0], gradients["b"][0, 0]], [0.6, 0.8])
