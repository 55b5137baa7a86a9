"""The network against what PyTorch computed for the same parameters, ids and carried state.

The figures, in float64, were written by `python -m benchmarks.pytorch_parity --record`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from safetensors import safe_open

from model.network import Gradients, Network, NetworkConfig, State, flat, views
from model.recurrence import columns

RECORD = Path(__file__).parent / "pytorch_network.safetensors"
Arrays = dict[str, npt.NDArray[Any]]
ARRAYS: Arrays = safetensors.numpy.load_file(RECORD)
with safe_open(RECORD, "numpy") as tensors:
    CONFIGS = {
        case: NetworkConfig(**json.loads(sizes))
        for case, sizes in sorted(tensors.metadata().items())
        if case != "torch"
    }
every_case = pytest.mark.parametrize("case", CONFIGS)
every_precision = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)], ids=["float64", "float32"]
)


def recorded(case: str, beginning: str) -> Arrays:
    """A case's arrays whose names begin so, by the rest of their names."""
    beginning = f"{case}/{beginning}"
    return {
        name.removeprefix(beginning): array
        for name, array in ARRAYS.items()
        if name.startswith(beginning)
    }


def network_of(case: str, dtype: type) -> Network:
    """The network with the parameters that PyTorch had."""
    return Network(CONFIGS[case], flat(CONFIGS[case], recorded(case, "parameters.")).astype(dtype))


def state_before(case: str, dtype: type) -> State:
    """The state that is carried into the segment; it is not zero."""
    before = sorted(recorded(case, "state_before.").items())
    arrays: list[npt.NDArray[Any]] = [array.astype(dtype) for _, array in before]
    return tuple(zip(*arrays, strict=True))


def trained(case: str, dtype: type) -> Gradients:
    """What a training step computes."""
    segment = recorded(case, "")
    return network_of(case, dtype).loss_and_gradients(
        segment["ids"],
        segment["targets"],
        segment["weights"].astype(dtype),
        state_before(case, dtype),
    )


def test_every_cell_is_compared() -> None:
    assert {config.cell for config in CONFIGS.values()} == {"lstm", "rnn", "mogrifier"}


@every_case
@every_precision
def test_logits_are_pytorchs(case: str, dtype: type, tolerance: float) -> None:
    network, segment = network_of(case, dtype), recorded(case, "")

    output = network.forward(segment["ids"], state_before(case, dtype)).output

    logits = network.logits(columns(output)).reshape(segment["logits"].shape)
    np.testing.assert_allclose(logits, segment["logits"], rtol=0, atol=tolerance)


@every_case
@every_precision
def test_the_loss_is_pytorchs(case: str, dtype: type, tolerance: float) -> None:
    loss = trained(case, dtype).loss

    assert loss == pytest.approx(recorded(case, "")["loss"].item(), abs=tolerance)


@every_case
@every_precision
def test_every_gradient_is_pytorchs(case: str, dtype: type, tolerance: float) -> None:
    expected = recorded(case, "gradients.")

    gradients = views(CONFIGS[case], trained(case, dtype).vector)

    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        largest = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            gradient, expected[name], rtol=0, atol=tolerance * largest, err_msg=name
        )


@every_case
@every_precision
def test_the_state_after_a_segment_is_pytorchs(case: str, dtype: type, tolerance: float) -> None:
    expected = [array for _, array in sorted(recorded(case, "state_after.").items())]

    state = trained(case, dtype).state

    for arrays, after in zip(zip(*state, strict=True), expected, strict=True):
        np.testing.assert_allclose(np.stack(arrays), after, rtol=0, atol=tolerance)
