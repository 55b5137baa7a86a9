"""Songs that are written side by side: they join and leave one batch at any step.

A song must come out the same whoever is beside it, to the last bit, or its code could not write it
again. A matrix product may add up a column in another order when there are more or fewer columns
beside it. So the batch is cut into panels of one width: a step of a panel is always the same
products, in which a column's place makes no difference (`exact_width` tries that out).

A song whose genre or title is to weigh more has a second column, which reads it without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.network import State
from model.recurrence import Array
from model.sampling import guided, log_sum_exp, sample
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
        self.free = list(range(width))  # columns that nobody reads in
        self._stepper = stepper
        self._ids = np.zeros(width, np.int64)
        self._moves: dict[int, Move] = {}
        self._line_starts: list[int] = []
        self.now, self._word, self._line = (
            Place(
                np.zeros(shape, network.dtype),
                np.zeros((width, network.config.vocabulary_size), network.dtype),
            )
            for _ in range(3)
        )

    def begin(self) -> int:
        """The first free column, where a song begins."""
        column = self.free.pop(0)
        self.now.state[:, :, column] = 0
        return column

    def read(self, column: int, token: int, move: Move, *, line_starts: bool = False) -> None:
        """Let a column read a token in the next step.

        line_starts: a RESTART comes back to where it stands before that.
        """
        self._ids[column] = token
        self._moves[column] = move
        if line_starts:
            self._line_starts.append(column)

    def step(self) -> None:
        """One token for each column."""
        before = self.now
        self._line.copy_columns(self._line_starts, before)
        self._word.copy_columns(self._moved(Move.BEGIN), before)
        self.now = _stepped(self._stepper, self._ids, before)
        self.now.copy_columns(self._moved(Move.BACK), self._word)
        self.now.copy_columns(self._moved(Move.RESTART), self._line)
        self.now.copy_columns(self._moved(Move.AGAIN), before)
        self._ids[:] = 0
        self._moves, self._line_starts = {}, []

    def _moved(self, kind: Move) -> list[int]:
        return [column for column, move in self._moves.items() if move is kind]


class Column(NamedTuple):
    """Where a song is read."""

    panel: Panel
    number: int


@dataclass(eq=False)
class Seat:
    """A voice and its columns."""

    voice: Voice
    column: Column
    unguided: Column | None  # reads the song of a guided voice without its genre and title

    @property
    def columns(self) -> list[Column]:
        """All that it has."""
        return [self.column, self.unguided] if self.unguided else [self.column]

    def read(self, token: int) -> None:
        """Let a token be read that was not chosen."""
        self.column.panel.read(self.column.number, token, Move.READ)
        if self.unguided:
            panel, number = self.unguided
            instead = self.voice.unguided(token)
            if instead is None:
                panel.read(number, token, Move.AGAIN)
            else:
                panel.read(number, instead, Move.READ)

    def take(self, token: int, nats: float) -> None:
        """Let the token be read that was chosen, if its voice takes it."""
        line_starts = self.voice.at_line_start
        move = self.voice.take(token, nats)
        for panel, number in self.columns:
            panel.read(number, token, move, line_starts=line_starts)


class Batch:
    """Panels with the voices in them; not for several threads at once."""

    def __init__(self, stepper: Stepper, width: int, kept: Ids) -> None:
        """width: of its panels. kept: the tokens whose chance guidance leaves as it is."""
        self._stepper = stepper
        self._width = width
        self._kept = kept
        self._panels: list[Panel] = []
        self._seats: list[Seat] = []

    def __len__(self) -> int:
        """How many voices are in it."""
        return len(self._seats)

    def join(self, voices: Sequence[Voice]) -> None:
        """Begin these candidates in free columns, of new panels where there are none."""
        for voice in voices:
            column = self._free_column()
            unguided = self._free_column() if voice.wish.guided else None
            self._seats.append(Seat(voice, column, unguided))

    def leave(self, voices: Sequence[Voice]) -> None:
        """Free the columns of these candidates."""
        gone = set(map(id, voices))
        self._free([seat for seat in self._seats if id(seat.voice) in gone])

    def step(self) -> None:
        """One token for each voice; one that has finished leaves."""
        choosing = []
        for seat in self._seats:
            token = seat.voice.silent()
            if token is None:
                choosing.append(seat)
            else:
                seat.read(token)
        if choosing:
            _choose(choosing, self._kept)
        with one_blas_thread():
            for panel in self._panels:
                panel.step()
        self._free([seat for seat in self._seats if seat.voice.finished])

    def _free_column(self) -> Column:
        panel = next((panel for panel in self._panels if panel.free), None)
        if panel is None:
            panel = Panel(self._stepper, self._width)
            self._panels.append(panel)
        return Column(panel, panel.begin())

    def _free(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            self._seats.remove(seat)
            for panel, number in seat.columns:
                panel.free.append(number)
        self._panels = [panel for panel in self._panels if len(panel.free) < self._width]


def _choose(seats: Sequence[Seat], kept: Ids) -> None:
    """Let these voices choose their next tokens."""
    wishes = [seat.voice.wish for seat in seats]
    raw = _rows([seat.column for seat in seats])
    totals = log_sum_exp(raw)
    shaped, shaped_totals = raw.copy(), totals.copy()
    rows = [row for row, seat in enumerate(seats) if seat.unguided]
    if rows:
        shaped[rows] = guided(
            raw[rows],
            _rows([seat.unguided for seat in seats if seat.unguided]),
            np.array([wishes[row].guidance_scale for row in rows]),
            kept,
        )
        shaped_totals[rows] = 0
    for row, seat in enumerate(seats):
        seat.voice.shape(shaped[row], float(shaped_totals[row]))
    tokens = sample(
        shaped,
        np.array([seat.voice.draw() for seat in seats]),
        temperature=np.array([wish.temperature for wish in wishes]),
        top_k=np.array([wish.top_k for wish in wishes]),
        top_p=np.array([wish.top_p for wish in wishes]),
        min_p=np.array([wish.min_p for wish in wishes]),
    )
    for row, (seat, token) in enumerate(zip(seats, tokens.tolist(), strict=True)):
        seat.take(token, float(totals[row] - raw[row, token]))


def _rows(columns: Sequence[Column]) -> Array:
    """The logits (R, V) of the tokens that come next in these columns."""
    return np.stack([panel.now.logits[number] for panel, number in columns])


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
    place = panel.now
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
