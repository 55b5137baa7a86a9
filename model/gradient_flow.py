"""How far back in time an error reaches: dL_T/dx_{T-k} against the distance k.

In a plain cell the error is multiplied by the same matrix and a slope below one at every step, so
it shrinks exponentially (Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013). In an LSTM it
passes a forget gate instead, which training can open (Hochreiter & Schmidhuber 1997; Gers et al.
2000). Both are measured here on text, before and after training.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.corpus import Song
from model.errors import TrainingError
from model.experiment import Descent, Report, side_by_side
from model.frame import frame_song
from model.network import Ids, Network, NetworkConfig, initial_parameters
from model.pictures import CELL_COLOURS, GREY, new_figure, plain_frame, save_figure
from model.recurrence import Array
from model.schedules import learning_rate_at
from model.tokenizer import Tokenizer

TOKENS_READ = 4_000_000  # of a corpus, at most
COLUMNS_AT_ONCE = 16  # texts that are measured together; bounds the memory
LEARNING_RATE = 6e-3
BATCH = 16
LEAD_IN = 50  # tokens that a network reads before those that are measured
WARM_UP = 0.02  # share of the steps in which the rate rises
FADED = 1e-3  # share of the gradient at distance 0 below which it counts as gone
LOWEST = 1e-16  # of the picture's axis

Norms = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GradientFlow:
    """What was measured of one network."""

    name: str
    cell: str  # a key of CELLS
    trained: bool
    norms: Norms  # (K+1, N): of dL_T/dx_{T-k}, for distances 0..K and N texts
    nats: float  # mean -ln p of all tokens of the texts

    @property
    def median(self) -> Norms:
        """(K+1,), over the texts."""
        return np.median(self.norms, axis=1)

    @property
    def reach(self) -> int | None:
        """The first distance at which the median is below FADED of that at 0; None if none is."""
        below = np.flatnonzero(self.median < FADED * self.median[0])
        return int(below[0]) if len(below) else None


@dataclass(frozen=True)
class FlowTraining:
    """How cells are trained: on windows of a text, from a zero state, back through all of it."""

    hidden: int  # units, and numbers that stand for a token
    length: int  # tokens of a window
    steps: int
    minutes: float | None  # for each cell, instead of `steps`
    random_seed: int


_Job = tuple[FlowTraining, NetworkConfig, npt.NDArray[np.int32]]


def song_ids(tokenizer: Tokenizer, songs: Iterable[Song], length: int) -> npt.NDArray[np.int32]:
    """The songs in their frames as one row of ids (N,), up to TOKENS_READ.

    Raises TrainingError when they have fewer than `length` + 1 tokens.
    """
    framed = itertools.chain.from_iterable(frame_song(tokenizer, song).ids() for song in songs)
    ids = np.fromiter(itertools.islice(framed, TOKENS_READ), np.int32)
    if len(ids) <= length:
        raise TrainingError(
            f"There is too little text: {len(ids)} tokens, where {length + 1} are needed. "
            "Add songs, or take a shorter --distance."
        )
    return ids


def windows(ids: Ids, length: int, count: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """`count` random places of a text (N,), as inputs and targets, each (T, B)."""
    starts = rng.integers(0, len(ids) - length, count)
    rows = starts + np.arange(length + 1)[:, None]
    return ids[rows[:-1]], ids[rows[1:]]


def fresh_network(config: NetworkConfig, random_seed: int) -> Network:
    """A network before training."""
    return Network(config, initial_parameters(config, np.random.default_rng(random_seed)))


def train_cells(
    cells: Sequence[str],
    tokenizer: Tokenizer,
    songs: Iterable[Song],
    training: FlowTraining,
    progress: Callable[[int, float], None],
    processes: int = 0,
) -> list[Network]:
    """A trained one-layer network of each cell, a key of CELLS. See `side_by_side`.

    Raises TrainingError for too little text.
    """
    ids = song_ids(tokenizer, songs, training.length)
    size = training.hidden
    configs = [NetworkConfig(tokenizer.vocabulary_size, size, size, 1, cell) for cell in cells]
    jobs: list[_Job] = [(training, config, ids) for config in configs]
    vectors = side_by_side(_train, jobs, progress, processes)
    return [Network(config, vector) for config, vector in zip(configs, vectors, strict=True)]


def _train(job: _Job, report: Report) -> Array:
    """The parameters (N,) after training; the rate falls as a cosine."""
    training, config, ids = job
    network = fresh_network(config, training.random_seed)
    descent, rng = Descent(network), np.random.default_rng([training.random_seed, 1])
    weights = np.full((training.length, BATCH), 1 / (training.length * BATCH), np.float32)
    began, done, share = time.monotonic(), 0, 0.0
    while share < 1:
        inputs, targets = windows(ids, training.length, BATCH, rng)
        rate = learning_rate_at(share, LEARNING_RATE, "cosine", WARM_UP)
        descent.step(inputs, targets, weights, rate)
        done += 1
        minutes = (time.monotonic() - began) / 60
        share = min(1.0, minutes / training.minutes if training.minutes else done / training.steps)
        report(share)
    return network.vector


def gradient_norms(network: Network, inputs: Ids, targets: Ids) -> tuple[Norms, Norms]:
    """Norms of dL_T/dx_{T-k}, with k = 0 first, and L_t, each (T, B), for inputs, targets (T, B).

    L_T is -ln p of the last target alone, x_t the embedded token, and the state before the first
    is zero. Computed in float64: in a plain cell the norms soon leave the range of float32.
    """
    exact = Network(network.config, network.vector.astype(np.float64))
    norms: list[Norms] = []
    nats: list[Norms] = []
    for start in range(0, inputs.shape[1], COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        ids, state = inputs[:, part], exact.zero_state(inputs[:, part].shape[1])
        weights = np.zeros(ids.shape)
        weights[-1] = 1
        result = exact.loss_and_gradients(ids, targets[:, part], weights, state)
        norms.append(np.sqrt(np.square(result.inputs).sum(axis=0))[::-1])
        nats.append(exact.token_nats(ids, targets[:, part], state)[0].astype(np.float64))
    return np.concatenate(norms, axis=1), np.concatenate(nats, axis=1)


def before_and_after(
    name: str,
    network: Network,
    tokenizer: Tokenizer,
    songs: Iterable[Song],
    distance: int,
    texts: int,
    random_seed: int,
) -> list[GradientFlow]:
    """What random parameters of a trained network's sizes pass on, and what it does.

    Both on the same `texts` places of held-out songs, with LEAD_IN tokens before the farthest one,
    since a state of zero lets an error through as no other does. Raises TrainingError for too
    little text.
    """
    length = LEAD_IN + distance + 1
    rng = np.random.default_rng([random_seed, 2])
    places = windows(song_ids(tokenizer, songs, length), length, texts, rng)
    flows = []
    for trained, measured in (
        (False, fresh_network(network.config, random_seed)),
        (True, network),
    ):
        norms, nats = gradient_norms(measured, *places)
        seen, mean = norms[: distance + 1], float(nats[LEAD_IN:].mean())
        flows.append(GradientFlow(name, network.config.cell, trained, seen, mean))
    return flows


def draw_gradient_flow(
    flows: Sequence[GradientFlow], unit: str, how_trained: str, path: Path
) -> None:
    """One curve a network on a logarithmic scale: dashed before training, with quartiles after.

    unit: what a token is, in the plural. Raises ModelError when `path` cannot be written.
    """
    figure = new_figure(9.5, 5.8)
    axes = figure.add_subplot()
    distances = np.arange(len(flows[0].norms))
    for flow in flows:
        colour = CELL_COLOURS.get(flow.cell, GREY)
        axes.plot(
            distances[: len(flow.norms)],
            np.maximum(flow.median, LOWEST / 10),
            color=colour,
            linewidth=2.4 if flow.trained else 1.6,
            linestyle="-" if flow.trained else (0, (4, 2)),
            label=f"{flow.name}, {'after' if flow.trained else 'before'} training",
        )
        if flow.trained:
            low, high = np.maximum(np.percentile(flow.norms, (25, 75), axis=1), LOWEST / 10)
            axes.fill_between(distances, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_yscale("log")
    lowest = min(np.min(flow.median) for flow in flows)
    highest = max(np.max(np.percentile(flow.norms, 75, axis=1)) for flow in flows)
    axes.set_ylim(max(LOWEST, lowest / 3), highest * 5)
    axes.set_xlim(0, len(distances) - 1)
    axes.set_xlabel(f"distance k back in time ({unit})")
    axes.set_ylabel(r"norm of $\partial L_T\,/\,\partial x_{T-k}$  (nats per unit of input)")
    axes.set_title("How far back in time the error reaches", loc="left", fontweight="bold")
    plain_frame(axes)
    axes.legend(frameon=False, loc="upper right", ncols=2)
    texts = flows[0].norms.shape[1]
    figure.supxlabel(
        f"Lines: median over {texts} held-out texts; shaded: the middle half of them. "
        f"{how_trained}",
        fontsize=8,
        color=GREY,
    )
    save_figure(figure, path)
