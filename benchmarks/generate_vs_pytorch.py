"""Speed of writing against PyTorch on the same machine, both sides in turn.

    python -m benchmarks.generate_vs_pytorch [--batch N ...] [--as-it-comes] [--json]

PyTorch is no dependency: install it for this with `pip install torch`. Both sides sample from the
softmax at the same temperature with the same parameters, one token after the other. Ours runs
through `model.stepping` and `model.sampling`. PyTorch takes the fastest of nn.LSTM with oneDNN,
without it, and nn.LSTMCell, or with --as-it-comes nn.LSTM with oneDNN, its default; and each side
takes the faster of one thread and all.
"""

import argparse
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.rounds import compare, tokens_per_second
from model.bench import TEMPERATURE
from model.blas import blas_threads
from model.network import Network, NetworkConfig, initial_parameters
from model.sampling import sample_softmax
from model.stepping import Stepper

SIZES = {
    "words": NetworkConfig(4096, 256, 512),
    "tiny": NetworkConfig(65, 16, 24),  # to see whether it runs
}
WARM_UP = 20  # tokens of each sequence
DEFAULT_CELL = "nn.LSTM with oneDNN"
CELLS = (DEFAULT_CELL, "nn.LSTM without oneDNN", "nn.LSTMCell")


def start(config: NetworkConfig) -> Network:
    """The network that both sides write with."""
    return Network(config, initial_parameters(config, np.random.default_rng(1)))


@contextmanager
def ours(
    config: NetworkConfig, batch: int, tokens: int, _as_it_comes: bool
) -> Iterator[tuple[dict[str, Any], Callable[[], float]]]:
    """Our side, ready to write so many tokens of each sequence in a round."""
    network = start(config)
    stepper = Stepper(network)
    rng = np.random.default_rng(1)
    state, ids = network.zero_state(batch), np.zeros(batch, np.int64)

    def step() -> None:
        nonlocal state, ids
        logits, state = stepper.step(ids, state)
        ids = sample_softmax(logits, rng.random(batch), TEMPERATURE)

    def rate(threads: int) -> float:
        with blas_threads(threads):
            _round(batch, WARM_UP, step)
            return _round(batch, tokens, step)

    threads = max(_thread_counts(), key=rate)
    with blas_threads(threads):
        yield {"threads": threads}, lambda: _round(batch, tokens, step)


@contextmanager
def theirs(
    config: NetworkConfig, batch: int, tokens: int, as_it_comes: bool
) -> Iterator[tuple[dict[str, Any], Callable[[], float]]]:
    """PyTorch's side, ready to write so many tokens of each sequence in a round."""
    import torch

    cells = (DEFAULT_CELL,) if as_it_comes else CELLS
    ways = list(itertools.product(cells, _thread_counts()))

    def rate(way: tuple[str, int]) -> float:
        step = _pytorch_step(config, batch, *way)
        _round(batch, WARM_UP, step)
        return _round(batch, tokens, step)

    with torch.inference_mode():
        cell, threads = max(ways, key=rate)
        step = _pytorch_step(config, batch, cell, threads)
        _round(batch, WARM_UP, step)
        about = {"way": cell, "threads": threads, "version": torch.__version__}
        yield about, lambda: _round(batch, tokens, step)


def _thread_counts() -> list[int]:
    return sorted({1, os.cpu_count() or 1})


def _pytorch_step(config: NetworkConfig, batch: int, cell: str, threads: int) -> Callable[[], None]:
    """What writes the next token of each sequence."""
    import torch

    from benchmarks.pytorch_network import Reference

    torch.set_num_threads(threads)
    torch.backends.mkldnn.enabled = cell != "nn.LSTM without oneDNN"
    network = start(config)
    reference = Reference.of(network).eval()
    forward = reference.cell_by_cell() if cell == "nn.LSTMCell" else reference
    state = reference.state_of(network.zero_state(batch))
    ids = torch.zeros((1, batch), dtype=torch.long)

    def step() -> None:
        nonlocal state, ids
        logits, state = forward(ids, state)
        probabilities = torch.softmax(logits[0] / TEMPERATURE, dim=-1)
        ids = torch.multinomial(probabilities, 1).T

    return step


def _round(batch: int, tokens: int, step: Callable[[], None]) -> float:
    """Tokens per second of all sequences, over so many tokens of each."""

    def work() -> None:
        for _ in range(tokens):
            step()

    return tokens_per_second(batch * tokens, work)


def main() -> None:
    """Compare every batch size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32], help="sequences at once")
    parser.add_argument("--size", choices=SIZES, default="words")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each side")
    parser.add_argument("--tokens", type=int, default=200, help="of each sequence in a round")
    parser.add_argument("--as-it-comes", action="store_true", help="PyTorch's default nn.LSTM")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    config = SIZES[options.size]
    results = {}
    for batch in options.batch:
        sides = (config, batch, options.tokens, options.as_it_comes)
        result = compare(ours, theirs, *sides, rounds=options.rounds)
        results[str(batch)] = result.to_dict()
        if not options.json:
            console = Console(highlight=False)
            console.print(result.table(f"Writing {batch} at once, V {config.vocabulary_size}"))
            about = result.about_theirs
            console.print(
                f"PyTorch {about['version']}: {about['way']}, {about['threads']} thread(s); "
                f"ours: {result.about_ours['threads']} thread(s).\n"
            )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
