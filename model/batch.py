"""Songs that are written side by side: they join and leave one batch at any step.

A song must come out the same whoever is beside it, to the last bit, or its code could not write it
again. A matrix product may add up a column in another order when there are more or fewer columns
beside it. So the batch is cut into panels of one width: a step of a panel is always the same
products, in which a column's place makes no difference (`exact_width` tries that out).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.network import State
from model.recurrence import Array
from model.sampling import sample
from model.stepping import Stepper
from model.voice import Move, Voice

# Columns of a panel; the first is taken whose columns are exact. A wider one would serve many songs
# a little faster, and a single one much slower.
WIDTHS = (8, 4, 2)
TRIED_STEPS = 2  # of which `exact_width` compares the numbers

Ids = npt.NDArray[np.int64]


@dataclass
class Place:
    """Where each of W columns stands, or may come back to."""

    state: Array  # (S, H, W), the S arrays of a recurrent state
    logits: Array  # (W, V), of the token that comes next

    def copy_columns(self, columns: Sequence[int], source: "Place") -> None:
        """Let these columns stand where those of `source` do."""
        if columns:
            chosen = list(columns)
            self.state[:, :, chosen] = source.state[:, :, chosen]
            self.logits[chosen] = source.logits[chosen]


class Panel:
    """Columns of the batch that go through the network together."""

    def __init__(self, stepper: Stepper, width: int) -> None:
        network = stepper.network
        arrays = network.config.layers * network.cell.states
        shape = (arrays, network.config.hidden_size, width)
        self.voices: list[Voice | None] = [None] * width
        self._stepper = stepper
        self._now, self._word, self._line = (
            Place(
                np.zeros(shape, network.dtype),
                np.zeros((width, network.config.vocabulary_size), network.dtype),
            )
            for _ in range(3)
        )

    @property
    def free(self) -> list[int]:
        """The columns without a voice."""
        return [column for column, voice in enumerate(self.voices) if voice is None]

    def join(self, voice: Voice, column: int) -> None:
        """Begin a candidate in a free column."""
        self.voices[column] = voice
        self._now.state[:, :, column] = 0

    def step(self) -> None:
        """One token for each voice; one that has finished leaves."""
        ids = np.zeros(len(self.voices), np.int64)
        open_columns = []
        for column, voice in enumerate(self.voices):
            if voice is None:
                continue
            token = voice.silent()
            if token is None:
                open_columns.append(column)
            else:
                ids[column] = token
        moves = self._choose(open_columns, ids) if open_columns else {}
        before = self._now
        self._now = _stepped(self._stepper, ids, before)
        for move, place in ((Move.BACK, self._word), (Move.RESTART, self._line)):
            self._now.copy_columns([c for c, m in moves.items() if m is move], place)
        self._now.copy_columns([c for c, m in moves.items() if m is Move.AGAIN], before)
        self.voices = [v if v is not None and not v.finished else None for v in self.voices]

    def _choose(self, columns: list[int], ids: Ids) -> dict[int, Move]:
        """Let these voices choose their tokens, into `ids`; what becomes of each."""
        voices = {column: voice for column in columns if (voice := self.voices[column]) is not None}
        raw = self._now.logits[columns]
        highest = raw.max(axis=1)
        totals = highest + np.log(np.exp(raw - highest[:, None]).sum(axis=1))
        shaped = raw.copy()
        for row, voice in enumerate(voices.values()):
            voice.shape(shaped[row], float(totals[row]))
        wishes = [voice.wish for voice in voices.values()]
        tokens = sample(
            shaped,
            np.array([voice.draw() for voice in voices.values()]),
            temperature=np.array([wish.temperature for wish in wishes]),
            top_k=np.array([wish.top_k for wish in wishes]),
            top_p=np.array([wish.top_p for wish in wishes]),
            min_p=np.array([wish.min_p for wish in wishes]),
        )
        begins = [column for column, voice in voices.items() if voice.at_line_start]
        self._line.copy_columns(begins, self._now)
        moves = {}
        for row, (column, voice) in enumerate(voices.items()):
            ids[column] = token = int(tokens[row])
            moves[column] = voice.take(token, float(totals[row] - raw[row, token]))
        begins = [column for column, move in moves.items() if move is Move.BEGIN]
        self._word.copy_columns(begins, self._now)
        return moves


class Batch:
    """Panels with the voices in them; not for several threads at once."""

    def __init__(self, stepper: Stepper, width: int) -> None:
        self.width = width
        self._stepper = stepper
        self._panels: list[Panel] = []

    def __len__(self) -> int:
        """How many voices are in it."""
        return sum(len(panel.voices) - len(panel.free) for panel in self._panels)

    def join(self, voices: Sequence[Voice]) -> None:
        """Begin these candidates in free columns, of new panels where there are none."""
        free = [(panel, column) for panel in self._panels for column in panel.free]
        for voice in voices:
            if not free:
                panel = Panel(self._stepper, self.width)
                self._panels.append(panel)
                free = [(panel, column) for column in panel.free]
            panel, column = free.pop(0)
            panel.join(voice, column)

    def leave(self, voices: Sequence[Voice]) -> None:
        """Free the columns of these candidates."""
        gone = set(map(id, voices))
        for panel in self._panels:
            panel.voices = [None if id(voice) in gone else voice for voice in panel.voices]
        self._drop_empty()

    def step(self) -> None:
        """One token for each voice."""
        with one_blas_thread():
            for panel in self._panels:
                panel.step()
        self._drop_empty()

    def _drop_empty(self) -> None:
        self._panels = [panel for panel in self._panels if any(panel.voices)]


def exact_width(stepper: Stepper) -> int:
    """The first of WIDTHS whose columns depend neither on their place nor on one another."""
    rng = np.random.default_rng(0)
    for width in WIDTHS:
        ids = rng.integers(0, stepper.network.config.vocabulary_size, (TRIED_STEPS, width))
        order = rng.permutation(width)
        repeated = np.where(np.arange(width) < width // 2, ids, ids[:, :1])
        if _same(stepper, ids, ids[:, order], order) and _same(
            stepper, ids, repeated, np.arange(width // 2)
        ):
            return width
    return 1


def _same(stepper: Stepper, ids: Ids, others: Ids, order: Ids) -> bool:
    """Whether columns `order` of ids (T, W) have the numbers of the first columns of `others`."""
    one, other = (_run(stepper, tokens) for tokens in (ids, others))
    count = len(order)
    return np.array_equal(one.logits[order], other.logits[:count]) and np.array_equal(
        one.state[:, :, order], other.state[:, :, :count]
    )


def _run(stepper: Stepper, ids: Ids) -> Place:
    panel = Panel(stepper, ids.shape[1])
    place = panel._now
    with one_blas_thread():
        for tokens in ids:
            place = _stepped(stepper, tokens, place)
    return place


def _stepped(stepper: Stepper, ids: Ids, place: Place) -> Place:
    """Every column one token, ids (W,), on."""
    states = stepper.network.cell.states
    arrays = list(place.state)
    state: State = tuple(
        tuple(arrays[first : first + states]) for first in range(0, len(arrays), states)
    )
    logits, after = stepper.step(ids, state)
    return Place(np.stack([array for layer in after for array in layer]), logits)
