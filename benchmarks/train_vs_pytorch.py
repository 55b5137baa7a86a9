"""Training speed against PyTorch on the same machine, both sides in turn.

    python -m benchmarks.train_vs_pytorch [--size NAME ...] [--json]

PyTorch is no dependency: install it for this with `pip install torch`. Both sides start from the
same parameters and see the same ids; they carry the state, clip the gradient's norm and step by
Adam, without dropout, with as many processes (ours) or threads (PyTorch's) as there are cores.
Ours runs through `model.team`, and bounds the error that flows back in time as well, as it always
does. PyTorch takes the fastest of Adam's implementations, with oneDNN or without. That both
compute the same shows in the loss after the warm-up; the exit status is 1 where it does not.
"""

import argparse
import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.rounds import compare, tokens_per_second
from model.bench import SEGMENTS, RandomTraining, random_segments
from model.network import Network, NetworkConfig, initial_parameters
from model.options import TrainingConfig

WARM_UP = 3  # training steps before the first round
TRIED = 3  # training steps, after one to warm up, that tell which of PyTorch's ways is fastest
LEARNING_RATE = 2e-3
CLIP_NORM = 1.0
LOSS_TOLERANCE = 2e-3  # relative; the sums run in another order


@dataclass(frozen=True)
class Size:
    """What is trained; T steps and B sequences make a segment."""

    network: NetworkConfig
    batch: int
    steps: int
    processes: int = 0  # 0 for one a core

    @property
    def cores(self) -> int:
        """How many cores either side may use."""
        return self.processes or os.cpu_count() or 1

    @property
    def start(self) -> Network:
        """The network that both sides begin with."""
        return Network(self.network, initial_parameters(self.network, np.random.default_rng(1)))

    def __str__(self) -> str:
        n = self.network
        return (
            f"V {n.vocabulary_size}, E {n.embedding_size}, H {n.hidden_size}, {n.layers} layers, "
            f"B {self.batch}, T {self.steps}"
        )


SIZES = {
    "words": Size(NetworkConfig(4096, 256, 512), batch=32, steps=64),
    "characters": Size(NetworkConfig(65, 64, 512), batch=64, steps=100),
    "small": Size(NetworkConfig(65, 128, 256), batch=32, steps=64),
    "tiny": Size(NetworkConfig(65, 16, 24), batch=4, steps=8),  # to see whether it runs
}
MEASURED = ("words", "characters", "small")


@contextmanager
def ours(size: Size, steps: int) -> Iterator[tuple[dict[str, Any], Callable[[], float]]]:
    """Our side, ready to run rounds of so many training steps."""
    config = TrainingConfig(
        batch=size.batch,
        steps=size.steps,
        learning_rate=LEARNING_RATE,
        clip_norm=CLIP_NORM,
        dropout=0.0,
        drop_state=0.0,
        processes=size.cores,
    )
    training = RandomTraining(config, size.network, size.start.vector)
    with training.team:
        losses = [training.step() for _ in range(WARM_UP)]
        about = {"loss": losses[-1], "processes": training.team.plan.members}
        yield about, lambda: _round(size, steps, training.step)


@contextmanager
def theirs(size: Size, steps: int) -> Iterator[tuple[dict[str, Any], Callable[[], float]]]:
    """PyTorch's side in its fastest way, ready to run rounds of so many training steps."""
    import torch

    torch.set_num_threads(size.cores)
    ways = [(optimizer, onednn) for optimizer in ("fused", "foreach") for onednn in (True, False)]

    def rate(way: tuple[str, bool]) -> float:
        step = _pytorch_step(size, *way)
        step()
        return _round(size, TRIED, step)

    optimizer, onednn = max(ways, key=rate)
    step = _pytorch_step(size, optimizer, onednn)
    losses = [step() for _ in range(WARM_UP)]
    about = {
        "loss": losses[-1],
        "threads": torch.get_num_threads(),
        "version": torch.__version__,
        "way": f"{optimizer} Adam, {'with' if onednn else 'without'} oneDNN",
    }
    yield about, lambda: _round(size, steps, step)


def _pytorch_step(size: Size, optimizer: str, onednn: bool) -> Callable[[], float]:
    """A training step from the common start; it gives the loss."""
    import torch

    from benchmarks.pytorch_network import Reference

    torch.backends.mkldnn.enabled = onednn
    network = size.start
    reference = Reference.of(network)
    parameters = list(reference.parameters())
    adam = torch.optim.Adam(parameters, lr=LEARNING_RATE, **{optimizer: True})
    random = random_segments(size.network.vocabulary_size, size.steps, size.batch)
    segments = itertools.cycle(
        [
            (torch.tensor(inputs).long(), torch.tensor(targets).long())
            for inputs, targets in itertools.islice(random, SEGMENTS)
        ]
    )
    state = reference.state_of(network.zero_state(size.batch))

    def step() -> float:
        nonlocal state
        inputs, targets = next(segments)
        adam.zero_grad(set_to_none=True)
        logits, after = reference(inputs, state)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM, foreach=True)
        adam.step()
        state = tuple(array.detach() for array in after)
        return float(loss.item())

    return step


def _round(size: Size, steps: int, step: Callable[[], object]) -> float:
    """Tokens per second of so many training steps."""

    def work() -> None:
        for _ in range(steps):
            step()

    return tokens_per_second(steps * size.batch * size.steps, work)


def main() -> int:
    """Compare every size; 0 when both sides compute the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=SIZES, nargs="+", default=MEASURED)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each side")
    parser.add_argument("--steps", type=int, default=4, help="training steps of a round")
    parser.add_argument("--processes", type=int, default=0, help="or threads; 0 for one a core")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    results, same = {}, True
    for name in options.size:
        size = dataclasses.replace(SIZES[name], processes=options.processes)
        result = compare(ours, theirs, size, options.steps, rounds=options.rounds)
        loss, expected = result.about_ours["loss"], result.about_theirs["loss"]
        agree = abs(loss - expected) <= LOSS_TOLERANCE * abs(expected)
        same = same and agree
        results[name] = {"size": str(size), "same_loss": agree, **result.to_dict()}
        if not options.json:
            console = Console(highlight=False)
            console.print(result.table(f"Training, {size}"))
            console.print(
                f"PyTorch {result.about_theirs['version']}: {result.about_theirs['way']}. "
                f"Loss after {WARM_UP} steps {loss:.4f} and {expected:.4f}: "
                f"{'the same' if agree else 'NOT the same'}.\n"
            )
    if options.json:
        print(json.dumps(results))
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
