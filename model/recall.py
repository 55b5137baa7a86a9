"""Remembering one symbol over a distance: what vanishing gradients keep a plain cell from.

A sequence opens with one of K symbols; then come distractors of another alphabet, and at the
distance a cue, at which the network must name the symbol (after Hochreiter & Schmidhuber 1997,
experiment 2). Both cells see the same sequences in the same order. The error goes back through
all steps of a sequence, and the gradient is clipped by its norm alone. Training begins at a short
distance, which then grows to the whole one (a curriculum: Elman 1993; Bengio et al. 2009), at the
same steps for both cells.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.experiment import CLIP_NORM, Descent, Report
from model.network import Ids, Network, NetworkConfig, initial_parameters
from model.pictures import CELL_COLOURS, CELL_NAMES, GREY, new_figure, plain_frame, save_figure

DISTRACTORS = 8  # different ones
FIRST_DISTANCE = 10  # that a training begins with
SHORT_SHARE = 0.25  # of the steps are spent there
GROWING_SHARE = 0.25  # in these the distance grows, by the same factor at each step
LEARNED = 0.002  # mean nats of the answer at the whole distance below which a training may end
LOSS_MEMORY = 0.9  # of the running mean of the loss
FRESH_SEQUENCES = 1024  # that the accuracy is measured on, none of them seen in training
SEQUENCES_AT_ONCE = 64  # bounds the memory


@dataclass(frozen=True)
class RecallTraining:
    """One cell that is to learn one distance."""

    cell: str  # a key of CELLS
    distance: int  # steps from the symbol to the answer
    symbols: int  # K
    hidden: int
    batch: int
    steps: int  # of training, at most, with each learning rate
    learning_rates: tuple[float, ...]  # tried in turn; the best on validation counts
    random_seed: int


@dataclass(frozen=True)
class Recall:
    """How a cell did."""

    cell: str
    distance: int
    accuracy: float  # share of right answers on fresh sequences, 0 to 1
    learning_rate: float  # the best
    steps: int  # of training with it
    seconds: float  # of all trainings


def sequences(rng: np.random.Generator, symbols: int, distance: int, count: int) -> Ids:
    """ids (distance + 1, B): a symbol below `symbols`, distractors, the cue (the largest id)."""
    ids = rng.integers(symbols, symbols + DISTRACTORS, (distance + 1, count), np.int32)
    ids[0] = rng.integers(0, symbols, count)
    ids[-1] = symbols + DISTRACTORS
    return ids


def distance_at(share: float, distance: int) -> int:
    """The curriculum: how long sequences are when `share` (0 to 1) of the steps is done."""
    first = min(FIRST_DISTANCE, distance)
    grown = min(1.0, max(0.0, (share - SHORT_SHARE) / GROWING_SHARE))
    return round(first * math.pow(distance / first, grown))


def accuracy(network: Network, ids: Ids) -> float:
    """Share of sequences (T, B) at whose cue the likeliest of all tokens is their symbol."""
    right = 0
    for start in range(0, ids.shape[1], SEQUENCES_AT_ONCE):
        part = ids[:, start : start + SEQUENCES_AT_ONCE]
        activations = network.forward(part, network.zero_state(part.shape[1]))
        answers = network.logits(activations.output[:, -1]).argmax(axis=1)
        right += int((answers == part[0]).sum())
    return right / int(ids.shape[1])


def train_recall(job: RecallTraining, report: Report) -> Recall:
    """Train with each learning rate and measure the best. For `side_by_side`.

    A training that has learned the whole distance ends there, and no further rate is tried.
    """
    began = time.monotonic()
    best: tuple[float, Network, float, int] | None = None
    for number, rate in enumerate(job.learning_rates):

        def tell(share: float, before: int = number) -> None:
            report((before + share) / len(job.learning_rates))

        network, steps, learned = _train(job, rate, tell)
        validation = np.random.default_rng([job.random_seed, 1])
        score = accuracy(network, sequences(validation, job.symbols, job.distance, 256))
        if best is None or score > best[0]:
            best = score, network, rate, steps
        if learned:
            break
    assert best is not None
    _, network, rate, steps = best
    fresh = np.random.default_rng([job.random_seed, 2])
    result = accuracy(network, sequences(fresh, job.symbols, job.distance, FRESH_SEQUENCES))
    report(1.0)
    return Recall(job.cell, job.distance, result, rate, steps, time.monotonic() - began)


def recall_network(job: RecallTraining) -> Network:
    """The network before training.

    An LSTM's forget gates begin with biases log(u), u uniform from 1 to the distance, so that its
    units forget over times of up to that length (chrono initialization: Tallec & Ollivier 2018,
    without its input gates). A plain cell has nothing of the kind to set.
    """
    size = job.hidden
    config = NetworkConfig(job.symbols + DISTRACTORS + 1, size, size, 1, job.cell, tied=False)
    rng = np.random.default_rng(job.random_seed)
    network = Network(config, initial_parameters(config, rng))
    if network.cell.gates == 4:
        forget_gates = slice(size, 2 * size)
        times = rng.uniform(1, job.distance, size) if job.distance > 1 else np.ones(size)
        network.parameters["rnn.bias_ih_l0"][forget_gates] = np.log(times)
    return network


def _train(job: RecallTraining, rate: float, report: Report) -> tuple[Network, int, bool]:
    """The network after training, the steps it took, and whether it ended early."""
    network = recall_network(job)
    descent, rng = Descent(network), np.random.default_rng([job.random_seed, 0])
    mean = math.log(job.symbols)
    for step in range(job.steps):
        distance = distance_at(step / job.steps, job.distance)
        ids = sequences(rng, job.symbols, distance, job.batch)
        targets = np.zeros_like(ids)
        targets[-1] = ids[0]
        weights = np.zeros(ids.shape, np.float32)
        weights[-1] = 1 / job.batch  # only the answer counts
        loss = descent.step(ids, targets, weights, rate)
        mean = LOSS_MEMORY * mean + (1 - LOSS_MEMORY) * loss
        report((step + 1) / job.steps)
        if distance == job.distance and mean < LEARNED:
            return network, step + 1, True
    return network, job.steps, False


def draw_recall(results: Sequence[Recall], job: RecallTraining, path: Path) -> None:
    """Accuracy against distance, a line a cell; `job` is one of the trainings, for the caption.

    Raises ModelError when `path` cannot be written.
    """
    figure = new_figure(8.5, 5.6)
    axes = figure.add_subplot()
    for cell in dict.fromkeys(result.cell for result in results):
        points = sorted((r.distance, 100 * r.accuracy) for r in results if r.cell == cell)
        axes.plot(
            *zip(*points, strict=True),
            marker="o" if cell == "lstm" else "s",
            color=CELL_COLOURS.get(cell, GREY),
            linewidth=2.4,
            markersize=8,
            label=CELL_NAMES.get(cell, cell),
            clip_on=False,
        )
    axes.axhline(100 / job.symbols, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
    distances = sorted({result.distance for result in results})
    axes.set_xscale("log")
    axes.set_xticks(distances, [f"{distance:,}" for distance in distances])
    axes.minorticks_off()
    axes.annotate(
        f"chance: one of {job.symbols} symbols",
        (distances[0], 100 / job.symbols),
        (0, -4),
        textcoords="offset points",
        va="top",
        color=GREY,
        fontsize=9,
    )
    axes.set_ylim(0, 103)
    axes.set_xlabel("distance from the symbol to the answer (steps)")
    axes.set_ylabel(f"right answers on {FRESH_SEQUENCES:,} fresh sequences (%)")
    axes.set_title("Remembering one symbol over a distance", loc="left", fontweight="bold")
    plain_frame(axes)
    axes.legend(frameon=False, loc="center left")
    rates = ", ".join(f"{rate:g}" for rate in job.learning_rates)
    figure.supxlabel(
        f"Each point is a cell of {job.hidden} units trained for at most {job.steps} steps of "
        f"{job.batch} sequences, the same ones for both cells, back through\nthe whole sequence. "
        f"Their length grows from {FIRST_DISTANCE} steps to the distance over the first half of "
        f"training. Best of the learning rates\n{rates}; gradient clipped to norm "
        f"{CLIP_NORM:g}. Forget gates begin with biases log u, u uniform from 1 to the distance "
        "(Tallec & Ollivier 2018).",
        fontsize=8,
        color=GREY,
    )
    save_figure(figure, path)
