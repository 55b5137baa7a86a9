"""Compares our networks with PyTorch's: logits, loss, carried state and every gradient.

    python -m benchmarks.pytorch_parity [WEIGHTS_DIR]
    python -m benchmarks.pytorch_parity --record

PyTorch is no dependency: install it for this with `pip install torch`. Prints a table, in float32,
and fails where a difference reaches 1e-4. --record instead writes what PyTorch computes in
float64 for small networks, to tests/model/pytorch_network.safetensors: the tests have no PyTorch.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from rich.console import Console
from rich.table import Table

import model
from benchmarks.pytorch_network import Reference
from model.network import Ids, Network, NetworkConfig, State, initial_parameters
from model.recurrence import Array, columns
from model.weights import load_weights

TOLERANCE = 1e-4
TEXT = "Rain on the road, rain on the roof, and the last bus home is late again\n" * 12
TABLE_WIDTH = 110  # characters, also where the output is no terminal
RECORD = Path(__file__).parent.parent / "tests/model/pytorch_network.safetensors"
RECORDED_SHAPE = (5, 3)  # T, B
RECORDED = {
    "lstm": NetworkConfig(7, embedding_size=3, hidden_size=5),
    "lstm, untied, without projection": NetworkConfig(
        7, embedding_size=5, hidden_size=5, layers=1, tied=False
    ),
    "rnn": NetworkConfig(7, embedding_size=3, hidden_size=5, cell="rnn"),
    "mogrifier": NetworkConfig(7, embedding_size=3, hidden_size=5, cell="mogrifier"),
}
CASES: list[tuple[NetworkConfig, tuple[int, int]]] = [
    (NetworkConfig(v, e, h, layers, cell, tied), shape)
    for cell in ("lstm", "rnn", "mogrifier")
    for v, e, h, layers, tied, shape in (
        (65, 16, 24, 1, True, (20, 8)),
        (65, 32, 32, 2, False, (35, 4)),
        (300, 24, 48, 3, False, (12, 5)),
        (1000, 64, 128, 2, True, (64, 16)),
    )
]


@dataclass(frozen=True)
class Segment:
    """A training segment: ids, targets and weights (T, B), and the state carried into it."""

    ids: Ids
    targets: Ids
    weights: Array
    state: State

    @classmethod
    def random(
        cls, network: Network, shape: tuple[int, int], rng: np.random.Generator
    ) -> "Segment":
        """With a state that is not zero; the weights make the loss a mean."""
        ids, targets = rng.integers(0, network.config.vocabulary_size, (2, *shape))
        state = tuple(
            tuple(rng.normal(0, 0.5, array.shape).astype(network.dtype) for array in layer)
            for layer in network.zero_state(shape[1])
        )
        return cls(ids, targets, np.full(shape, 1 / ids.size, network.dtype), state)


@dataclass(frozen=True)
class Result:
    """What a network makes of a segment."""

    logits: Array  # (T, B, V)
    loss: float
    gradients: dict[str, Array]  # by parameter
    state: tuple[Array, ...]  # after the segment, each (L, H, B)


def random_network(config: NetworkConfig, dtype: type, rng: np.random.Generator) -> Network:
    """One whose biases are not zero, so that every gradient counts."""
    vector = initial_parameters(config, rng)
    vector += rng.normal(0, 0.1, vector.shape).astype(np.float32)
    return Network(config, vector.astype(dtype))


def our_result(network: Network, segment: Segment) -> Result:
    """What our network computes."""
    output = network.forward(segment.ids, segment.state).output
    result = network.loss_and_gradients(
        segment.ids, segment.targets, segment.weights, segment.state
    )
    return Result(
        network.logits(columns(output)).reshape(*segment.ids.shape, -1),
        result.loss,
        Network(network.config, result.vector).parameters,
        tuple(np.stack(arrays) for arrays in zip(*result.state, strict=True)),
    )


def their_result(network: Network, segment: Segment) -> Result:
    """What PyTorch computes with the same parameters."""
    reference = Reference.of(network)
    logits, state = reference(torch.tensor(segment.ids), reference.state_of(segment.state))
    nats = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.tensor(segment.targets).flatten(), reduction="none"
    )
    loss = (nats * torch.tensor(segment.weights).flatten()).sum()
    loss.backward()
    return Result(
        logits.detach().numpy(),
        loss.item(),
        {name: parameter.grad.numpy() for name, parameter in reference.named_parameters()},
        tuple(array.detach().mT.numpy() for array in state),
    )


def differences(ours: Result, theirs: Result) -> dict[str, float]:
    """The largest difference of each kind; a relative one is to its array's largest number."""
    assert ours.gradients.keys() == theirs.gradients.keys()
    gradients = [
        (np.abs(ours.gradients[name] - expected).max(), np.abs(expected).max())
        for name, expected in theirs.gradients.items()
    ]
    return {
        "logits": float(np.abs(ours.logits - theirs.logits).max()),
        "loss": abs(ours.loss - theirs.loss),
        "state": max(
            float(np.abs(a - b).max()) for a, b in zip(ours.state, theirs.state, strict=True)
        ),
        "gradients": max(float(error) for error, _ in gradients),
        "relative": max(float(error / largest) for error, largest in gradients),
    }


def compare_gradients(console: Console) -> bool:
    """One training segment of every case; whether all differences are below TOLERANCE."""
    table = Table(
        title="Largest differences of one training segment, float32", title_justify="left"
    )
    for name in ("network", "T x B", "logits", "loss", "state", "gradients", "relative"):
        table.add_column(name, justify="left" if name == "network" else "right")
    agree = True
    for config, shape in CASES:
        rng = np.random.default_rng(11)
        network = random_network(config, np.float32, rng)
        segment = Segment.random(network, shape, rng)
        found = differences(our_result(network, segment), their_result(network, segment))
        agree = agree and max(found.values()) < TOLERANCE
        table.add_row(
            f"{config.cell} {config.layers} x {config.hidden_size}, E {config.embedding_size}, "
            f"V {config.vocabulary_size}{'' if config.tied else ', untied'}",
            f"{shape[0]} x {shape[1]}",
            *(f"{value:.1e}" for value in found.values()),
        )
    console.print(table)
    return agree


def compare_weights(folder: Path, console: Console) -> bool:
    """Logits of a text by a folder of weights; whether they agree."""
    ours = model.load(folder)
    ids = ours.encode(TEXT)
    network = load_weights(folder).network
    reference = Reference.of(network)
    with torch.no_grad():
        logits, _ = reference(
            torch.tensor(ids).long()[:, None], reference.state_of(network.zero_state(1))
        )
    difference = float(np.abs(ours.logits(ids) - logits[:, 0].numpy()).max())
    console.print(f"{folder}: {len(ids)} tokens, largest difference of logits {difference:.1e}")
    return difference < TOLERANCE


def record() -> None:
    """Write RECORD: arrays by case and name; the networks' sizes stand in its metadata."""
    arrays: dict[str, Array] = {}
    for case, config in RECORDED.items():
        rng = np.random.default_rng(7)
        network = random_network(config, np.float64, rng)
        segment = Segment.random(network, RECORDED_SHAPE, rng)
        result = their_result(network, segment)
        named = {"ids": segment.ids, "targets": segment.targets, "weights": segment.weights}
        named |= {"logits": result.logits, "loss": np.array(result.loss)}
        for i, (before, after) in enumerate(
            zip(zip(*segment.state, strict=True), result.state, strict=True)
        ):
            named |= {f"state_before.{i}": np.stack(before), f"state_after.{i}": after}
        named |= {f"parameters.{name}": array for name, array in network.parameters.items()}
        named |= {f"gradients.{name}": array for name, array in result.gradients.items()}
        arrays |= {f"{case}/{name}": np.ascontiguousarray(a) for name, a in named.items()}
    about = {case: json.dumps(config.to_dict()) for case, config in RECORDED.items()}
    about["torch"] = torch.__version__.split("+")[0]
    RECORD.write_bytes(safetensors.numpy.save(arrays, about))


def main() -> int:
    """Compare, or record; 0 when everything agrees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="?", type=Path, default=Path("weights/default"))
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the arrays are small
    console = Console(width=TABLE_WIDTH, highlight=False)
    if options.record:
        record()
        console.print(f"{RECORD}: {len(RECORDED)} networks, {RECORD.stat().st_size:,} bytes")
        return 0
    agree = compare_gradients(console)
    agree = compare_weights(options.weights, console) and agree
    console.print(f"PyTorch {torch.__version__}: all {'' if agree else 'NOT '}below {TOLERANCE:g}")
    return int(not agree)


if __name__ == "__main__":
    sys.exit(main())
