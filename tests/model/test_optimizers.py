"""Optimizers: their formulas, PyTorch's figures, slices and blocks; clipping."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import TrainingError
from model.optimizers import (
    BLOCK,
    OPTIMIZERS,
    SGD,
    AdaGrad,
    Adam,
    Optimizer,
    RMSprop,
    Vector,
    blocks,
    clip_value,
    make_optimizer,
    squared_norm,
)

# written by benchmarks/pytorch_optimizers.py
PYTORCH = json.loads((Path(__file__).parent / "pytorch_optimizers.json").read_text("utf-8"))
KINDS = [
    SGD(),
    SGD(momentum=0.9),
    RMSprop(),
    AdaGrad(),
    Adam(),
    Adam(beta1=0.0),
    Adam(weight_decay=0.1),
]


def zero_slots(optimizer: Optimizer, parameters: Vector) -> Vector:
    """What an optimizer remembers before the first step: (S, N)."""
    return np.zeros((optimizer.slots, parameters.size), parameters.dtype)


def path(optimizer: Optimizer, steps: int) -> list[float]:
    """Minimize w^2 from 1 with a learning rate of 0.1; the values of w after each step."""
    w = np.array([1.0])
    slots = zero_slots(optimizer, w)
    points = []
    for step in range(1, steps + 1):
        optimizer.update(w, 2 * w, slots, 0.1, step)
        points.append(float(w[0]))
    return points


def random_vectors(count: int, size: int, dtype: type = np.float32) -> list[Vector]:
    rng = np.random.default_rng(7)
    return [rng.normal(size=size).astype(dtype) for _ in range(count)]


# --- formulas --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", list(PYTORCH["cases"]))
def test_parameters_move_as_pytorch_moves_them(case: str) -> None:
    record: dict[str, Any] = PYTORCH["cases"][case]
    optimizer = make_optimizer(record["optimizer"], **record["options"])
    w = np.array(PYTORCH["start"])
    slots = zero_slots(optimizer, w)

    ours = []
    for step, (rate, gradient) in enumerate(
        zip(PYTORCH["rates"], PYTORCH["gradients"], strict=True), start=1
    ):
        optimizer.update(w, np.array(gradient), slots, rate, step)
        ours.append(w.copy())

    np.testing.assert_allclose(ours, record["path"], rtol=0, atol=1e-6)


def test_sgd_follows_its_formula_with_momentum_and_without() -> None:
    w, velocity, expected = 1.0, 0.0, []
    for _ in range(5):
        velocity = 0.5 * velocity + 2 * w
        w -= 0.1 * velocity
        expected.append(w)
    np.testing.assert_allclose(path(SGD(momentum=0.5), 5), expected, rtol=1e-12)
    np.testing.assert_allclose(path(SGD(), 5), [0.8**t for t in range(1, 6)], rtol=1e-12)


def test_rmsprop_follows_its_formula() -> None:
    w, mean_square, expected = 1.0, 0.0, []
    for _ in range(5):
        u = 2 * w
        mean_square = 0.9 * mean_square + 0.1 * u * u
        w -= 0.1 * u / (mean_square + 1e-8) ** 0.5
        expected.append(w)
    np.testing.assert_allclose(path(RMSprop(), 5), expected, rtol=1e-12)


def test_rmsprop_has_its_epsilon_inside_the_root() -> None:
    w = np.zeros(1)
    optimizer = RMSprop()

    optimizer.update(w, np.array([1e-6]), zero_slots(optimizer, w), 0.1, 1)

    assert w[0] == pytest.approx(-0.1 * 1e-6 / (0.1 * 1e-12 + 1e-8) ** 0.5, rel=1e-12)


def test_adagrad_follows_its_formula() -> None:
    w, squares, expected = 1.0, 0.0, []
    for _ in range(5):
        u = 2 * w
        squares += u * u
        w -= 0.1 * u / (squares**0.5 + 1e-10)
        expected.append(w)
    np.testing.assert_allclose(path(AdaGrad(), 5), expected, rtol=1e-12)


@pytest.mark.parametrize("beta1", [0.9, 0.0])
def test_adam_follows_its_formula(beta1: float) -> None:
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in range(1, 6):
        u = 2 * w
        m = beta1 * m + (1 - beta1) * u
        v = 0.999 * v + 0.001 * u * u
        w -= 0.1 * (m / (1 - beta1**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        expected.append(w)
    np.testing.assert_allclose(path(Adam(beta1=beta1), 5), expected, rtol=1e-12)


def test_adam_has_its_epsilon_outside_the_root_and_after_the_correction() -> None:
    w = np.zeros(1)
    optimizer = Adam()

    optimizer.update(w, np.array([1e-8]), zero_slots(optimizer, w), 0.1, 1)

    assert w[0] == pytest.approx(-0.1 * 1e-8 / (1e-8 + 1e-8), rel=1e-9)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_weight_decay_shrinks_the_weights_apart_from_the_gradient(name: str) -> None:
    plain, decaying = make_optimizer(name), make_optimizer(name, weight_decay=0.2)
    w, u = random_vectors(2, 10, np.float64)
    shrunk = w * (1 - 0.1 * 0.2)
    slots, decaying_slots = zero_slots(plain, w), zero_slots(plain, w)

    plain.update(shrunk, u.copy(), slots, 0.1, 1)
    decaying.update(w, u.copy(), decaying_slots, 0.1, 1)

    np.testing.assert_array_equal(w, shrunk)
    np.testing.assert_array_equal(decaying_slots, slots)


@pytest.mark.parametrize("optimizer", KINDS, ids=repr)
def test_a_parameter_without_a_gradient_stays(optimizer: Optimizer) -> None:
    w = np.ones(3, np.float32)

    optimizer.update(w, np.zeros(3, np.float32), zero_slots(optimizer, w), 0.1, 1)

    np.testing.assert_allclose(w, 1 - 0.1 * optimizer.weight_decay)


# --- slices and blocks -----------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", KINDS, ids=repr)
def test_slices_updated_apart_are_the_same_as_the_whole_bit_for_bit(optimizer: Optimizer) -> None:
    whole, *gradients = random_vectors(4, 2 * BLOCK + 7)
    parts = whole.copy()
    slots, part_slots = zero_slots(optimizer, whole), zero_slots(optimizer, whole)
    cuts = [slice(0, 5), slice(5, BLOCK + 1), slice(BLOCK + 1, BLOCK + 1), slice(BLOCK + 1, None)]

    for step, u in enumerate(gradients, start=1):
        optimizer.update(whole, u.copy(), slots, 1e-3, step)
        for cut in cuts:
            optimizer.update(parts[cut], u[cut].copy(), part_slots[:, cut], 1e-3, step)

    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(part_slots, slots)


@pytest.mark.parametrize("optimizer", KINDS, ids=repr)
def test_a_run_goes_on_from_saved_parameters_and_slots_as_if_it_had_not_stopped(
    optimizer: Optimizer,
) -> None:
    w, *gradients = random_vectors(7, 20)
    slots = zero_slots(optimizer, w)
    for step, u in enumerate(gradients, start=1):
        if step == 4:
            saved, saved_slots = w.copy(), slots.copy()
        optimizer.update(w, u.copy(), slots, 1e-2, step)

    another = replace(optimizer)
    for step, u in enumerate(gradients[3:], start=4):
        another.update(saved, u.copy(), saved_slots, 1e-2, step)

    np.testing.assert_array_equal(saved, w)
    np.testing.assert_array_equal(saved_slots, slots)


@pytest.mark.parametrize("optimizer", KINDS, ids=repr)
def test_float32_stays_float32_and_near_to_float64(optimizer: Optimizer) -> None:
    w, *gradients = random_vectors(9, 50)
    exact = w.astype(np.float64)
    slots, exact_slots = zero_slots(optimizer, w), zero_slots(optimizer, exact)

    for step, u in enumerate(gradients, start=1):
        optimizer.update(exact, u.astype(np.float64), exact_slots, 1e-2, step)
        optimizer.update(w, u, slots, 1e-2, step)

    assert w.dtype == np.float32
    np.testing.assert_allclose(w, exact, atol=1e-5)


@pytest.mark.parametrize("optimizer", KINDS, ids=repr)
def test_an_update_takes_no_more_memory_for_more_parameters(optimizer: Optimizer) -> None:
    w, u = random_vectors(2, 8 * BLOCK)
    slots = zero_slots(optimizer, w)

    tracemalloc.start()
    optimizer.update(w, u, slots, 1e-3, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2 * BLOCK * w.itemsize


def test_blocks_cover_a_vector_once_and_in_order() -> None:
    for size in (0, 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1):
        covered = [i for block in blocks(size) for i in (block.start, block.stop)]
        assert covered[1:-1:2] == covered[2::2]
        assert (covered[:1], covered[-1:]) == (([0], [size]) if size else ([], []))


# --- options ---------------------------------------------------------------------------------


def test_an_optimizer_gets_the_options_that_it_has_and_no_others() -> None:
    options = {"momentum": 0.5, "decay": 0.8, "beta1": 0.7, "beta2": 0.99, "weight_decay": 0.1}

    made = {name: make_optimizer(name, **options) for name in OPTIMIZERS}

    assert made == {
        "sgd": SGD(momentum=0.5, weight_decay=0.1),
        "rmsprop": RMSprop(decay=0.8, weight_decay=0.1),
        "adagrad": AdaGrad(weight_decay=0.1),
        "adam": Adam(beta1=0.7, beta2=0.99, weight_decay=0.1),
    }


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_the_defaults_of_a_made_optimizer_are_those_of_its_class(name: str) -> None:
    assert make_optimizer(name) == OPTIMIZERS[name]()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("decay", 1.0),
        ("beta1", 1.0),
        ("beta2", 1.0),
        ("beta2", float("nan")),
        ("weight_decay", -0.1),
        ("weight_decay", float("inf")),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(TrainingError, match=option):
        make_optimizer("adam", **{option: value})


def test_an_unknown_optimizer_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(TrainingError, match="sgd, rmsprop, adagrad, adam"):
        make_optimizer("lion")


# --- clipping --------------------------------------------------------------------------------


def test_values_above_the_bound_are_brought_to_it_and_those_below_are_left() -> None:
    gradient = np.array([-7.0, -0.5, 0.25, 3.0], np.float32)

    clip_value(gradient, 2)

    assert gradient.tolist() == [-2, -0.5, 0.25, 2]
    assert gradient.dtype == np.float32


def test_a_gradient_that_is_not_a_number_stays_so_when_clipped() -> None:
    gradient = np.array([np.nan, 1.0])

    clip_value(gradient, 2)

    assert np.isnan(gradient[0])
    assert np.isnan(squared_norm(gradient))


def test_the_squared_norm_is_right_over_many_blocks_of_float32() -> None:
    (gradient,) = random_vectors(1, 5 * BLOCK + 3)

    exact = float(np.sum(gradient.astype(np.float64) ** 2))

    assert squared_norm(gradient) == pytest.approx(exact, rel=1e-6)
    assert squared_norm(gradient[:0]) == 0


def test_the_squared_norms_of_slices_add_up_to_that_of_the_whole() -> None:
    (gradient,) = random_vectors(1, 3 * BLOCK)

    parts = squared_norm(gradient[: BLOCK + 9]) + squared_norm(gradient[BLOCK + 9 :])

    assert parts == pytest.approx(squared_norm(gradient), rel=1e-6)
