"""How fast training and writing are on this machine, and how near training comes to its limit.

The limit is the machine's own rate of large float32 matrix products, all cores at once: a training
step is mostly such products, 2 floating-point operations per weight and token forward and 4
backward. Random ids stand for songs, with the frequencies of words (Zipf 1949).
"""

import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from model.blas import one_blas_thread
from model.errors import TrainingError
from model.network import Ids, Network, NetworkConfig, initial_parameters
from model.options import TrainingConfig
from model.ranks import Alone
from model.recurrence import Array
from model.sampling import sample_softmax
from model.step_parts import StepClock
from model.stepping import Stepper
from model.team import Plan, Team
from model.weights import Weights

SECONDS = 8.0  # for which training is measured; the other measurements take half of it each
MOST_SECONDS = 3600
GENERATED = (1, 8, 32)  # sequences written at once
TEMPERATURE = 0.8
SEGMENTS = 8  # different ones that are trained on in turn
PRODUCT_SIZE = 1024  # rows and columns of the matrices whose product is the machine's limit
PRODUCTS = 4  # of each process between two looks at the clock
WRITTEN_AT_ONCE = 16  # tokens of each sequence between two looks at the clock


@dataclass(frozen=True)
class Benchmark:
    """What was measured, and of what."""

    network: NetworkConfig
    batch: int
    steps: int
    processes: int
    train_tokens_per_second: float
    gemm_peak_gflops: float  # 1e9 floating-point operations a second, all cores
    step_shares: dict[str, float]  # of one process's time by part: see `step_parts.PARTS`
    generate_tokens_per_second: dict[int, float]  # of all sequences, by how many there are

    @property
    def gemm_peak_share(self) -> float:
        """Training's floating-point operations a second, as a share of the machine's limit."""
        rate = flops_per_token(self.network) * self.train_tokens_per_second
        return rate / (self.gemm_peak_gflops * 1e9)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "train_tokens_per_second": round(self.train_tokens_per_second, 1),
            "gemm_peak_share": round(self.gemm_peak_share, 4),
            "gemm_peak_gflops": round(self.gemm_peak_gflops, 2),
            "generate_tokens_per_second": {
                str(batch): round(rate, 1)
                for batch, rate in self.generate_tokens_per_second.items()
            },
            "step_shares": {part: round(share, 4) for part, share in self.step_shares.items()},
            "network": self.network.to_dict(),
            "batch": self.batch,
            "steps": self.steps,
            "processes": self.processes,
        }


class RandomTraining:
    """Training steps on random ids: what `Training` does but for reading, watching and saving."""

    def __init__(self, config: TrainingConfig, network: NetworkConfig, vector: Array) -> None:
        """vector (N,): the parameters to begin with."""
        self._config = config
        self._segments = random_segments(network.vocabulary_size, config.steps, config.batch)
        self._count = 0
        self.team = Team(Plan.of(config, network, config.batch, Alone()), Alone())
        self.team.arrays.parameters[:] = vector

    def step(self) -> float:
        """One update, within the team's block; the mean nats per token."""
        config, done = self._config, self._count
        self._count += 1
        averaged = 0 if config.averaging == "none" else self._count
        loss, _ = self.team.step(*next(self._segments), done, config.learning_rate, averaged)
        return loss


def bench(
    weights: Weights | None, seconds: float, processes: int, heard: Callable[[str], None]
) -> Benchmark:
    """Measure these weights, or random ones of the default sizes.

    seconds: see SECONDS. processes: that share the training, 0 for one a core. heard: is told
    what is measured next. Raises TrainingError where an option cannot be, also one that the
    weights were trained with.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise TrainingError(f"seconds must be above 0 and at most {MOST_SECONDS}.")
    config = training_config(weights, processes)
    if weights is None:
        sizes = config.make_network(config.vocabulary)
        vector = initial_parameters(sizes, np.random.default_rng(config.random_seed))
    else:
        sizes, vector = weights.network.config, weights.network.vector
    heard("Matrix products on all cores")
    peak = gemm_peak(os.cpu_count() or 1, seconds / 2)
    heard("Training")
    training = RandomTraining(config, sizes, vector)
    tokens = config.steps * config.batch
    with training.team:
        trained = median_rate(training.step, tokens, seconds)
        heard("Training, part by part")
        with StepClock(sizes.cell) as clock:
            median_rate(training.step, tokens, seconds / 2)
    generated = {}
    for batch in GENERATED:
        heard(f"Writing {batch} at once")
        generated[batch] = generation_rate(Network(sizes, vector), batch, seconds / 2)
    return Benchmark(
        sizes,
        config.batch,
        config.steps,
        training.team.plan.members,
        trained,
        peak / 1e9,
        clock.shares,
        generated,
    )


def training_config(weights: Weights | None, processes: int) -> TrainingConfig:
    """The options that the weights were trained with, as far as they are known; or the defaults."""
    known = {option.name for option in fields(TrainingConfig)}
    options = {} if weights is None else weights.training
    chosen = {name: value for name, value in options.items() if name in known}
    return TrainingConfig(**chosen | {"processes": processes}).checked()


def flops_per_token(config: NetworkConfig) -> int:
    """Floating-point operations of training, in the products with the network's matrices.

    Looking an embedding up is none; a tied softmax multiplies by the embedding's matrix.
    """
    matrices = {name: shape for name, shape in config.shapes().items() if len(shape) == 2}
    if not config.tied:
        del matrices["embedding.weight"]
    return 6 * sum(rows * columns for rows, columns in matrices.values())


def random_segments(vocabulary: int, steps: int, batch: int) -> Iterator[tuple[Ids, Ids]]:
    """Inputs and targets, each (T, B), without end; id k has a frequency of 1 / (k + 1)."""
    rng = np.random.default_rng(1)
    frequencies = 1 / np.arange(1, vocabulary + 1)
    frequencies /= frequencies.sum()
    ids = rng.choice(vocabulary, (SEGMENTS, steps + 1, batch), p=frequencies).astype(np.int32)
    return itertools.cycle([(segment[:-1], segment[1:]) for segment in ids])


def median_rate(work: Callable[[], object], tokens: int, seconds: float) -> float:
    """Tokens per second of `work`, which goes through so many; the median of many times.

    It is done for so many seconds, and three times at least, after a first time to warm up.
    """
    work()
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        rates.append(tokens / (time.perf_counter() - began))
    return statistics.median(rates)


def generation_rate(network: Network, batch: int, seconds: float) -> float:
    """Tokens per second of `batch` sequences sampled at once, by plain softmax sampling."""
    stepper = Stepper(network)
    rng = np.random.default_rng(1)
    state, ids = network.zero_state(batch), np.zeros(batch, np.int64)

    def write() -> None:
        nonlocal state, ids
        for _ in range(WRITTEN_AT_ONCE):
            logits, state = stepper.step(ids, state)
            ids = sample_softmax(logits, rng.random(batch), TEMPERATURE)

    with one_blas_thread():
        return median_rate(write, WRITTEN_AT_ONCE * batch, seconds)


def gemm_peak(processes: int, seconds: float) -> float:
    """Floating-point operations a second of large float32 products, in so many processes at once.

    Each has one BLAS thread. The best of as many trials as go into so many seconds, two at least.
    """
    with _multipliers(processes) as pipes:
        rates: list[float] = []
        end = time.perf_counter() + seconds
        while len(rates) < 3 or time.perf_counter() < end:
            for pipe in pipes:
                pipe.send(PRODUCTS)
            rates.append(sum(pipe.recv() for pipe in pipes))
    return max(rates[1:])  # the first warms up


@contextmanager
def _multipliers(processes: int) -> Iterator[list[Connection]]:
    """Processes that multiply, and their pipes: see `_multiply`."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(processes)]
    workers = [context.Process(target=_multiply, args=(end,), daemon=True) for _, end in pairs]
    for worker, (_, end) in zip(workers, pairs, strict=True):
        worker.start()
        end.close()
    try:
        yield [pipe for pipe, _ in pairs]
    finally:
        for pipe, _ in pairs:
            pipe.close()
        for worker in workers:
            worker.join()


def _multiply(pipe: Connection) -> None:
    """Multiply as often as the pipe says and send the operations a second, until it closes."""
    shape = PRODUCT_SIZE, PRODUCT_SIZE
    a, b = np.random.default_rng(1).random((2, *shape), np.float32)
    out = np.empty(shape, np.float32)
    with one_blas_thread():
        while True:
            try:
                times = pipe.recv()
            except EOFError:
                return
            began = time.perf_counter()
            for _ in range(times):
                np.matmul(a, b, out=out)
            pipe.send(2 * PRODUCT_SIZE**3 * times / (time.perf_counter() - began))
