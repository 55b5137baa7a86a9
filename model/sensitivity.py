"""Which units of a recurrent layer follow something a person can name (Karpathy et al. 2016).

Three features of a lyric are told for every token from the text alone; a unit's sensitivity to one
is Pearson's correlation of its cell state with it (of its hidden state, in a plain cell), over
songs that the network has not learned. Among hundreds of units some correlate by chance: the
control is the largest correlation with the same feature of another place in the songs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.corpus import Song, is_heading
from model.errors import RequestError
from model.frame import frame_song
from model.network import Network
from model.recurrence import Array, Trace
from model.rhyme import REACH, last_word, rhymes
from model.tokenizer import END, REPLACEMENT, TEXT, UNKNOWN, Tokenizer

SONGS_AT_ONCE = 32
STEPS_AT_ONCE = 64  # bounds the memory
LONGEST_UTF8 = 4  # bytes of a character, each of which may be a token

Values = npt.NDArray[np.float32]
Counted = npt.NDArray[np.bool_]

FEATURES = {
    "line": "position in the line",  # share of its characters read, 0 to 1
    "rhyme": "line that rhymes back",  # with one of the REACH lines before it, in its stanza
    "quotes": "inside quotation marks",
}


@dataclass(frozen=True)
class Sensitivity:
    """What was measured of one layer of H units."""

    correlations: dict[str, npt.NDArray[np.float64]]  # feature -> (H,); absent where none occurs
    by_chance: dict[str, float]  # feature -> largest |correlation| of a unit with the control
    means: npt.NDArray[np.float64]  # (H,), of what a unit carries
    deviations: npt.NDArray[np.float64]  # (H,), its standard deviations
    songs: int
    tokens: int  # of sung lines

    def most_sensitive(self, feature: str, count: int) -> list[tuple[int, float]]:
        """The units with the largest correlations, and these; empty if it does not occur."""
        if feature not in self.correlations:
            return []
        values = self.correlations[feature]
        return [(int(u), float(values[u])) for u in np.argsort(-np.abs(values))[:count]]


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; the last byte of a split character brings all of it."""
    texts: list[str] = []
    pending: list[int] = []
    for i in ids:
        pending.append(i)
        text = tokenizer.decode(pending)
        if text.endswith(REPLACEMENT) and i != UNKNOWN and len(pending) < LONGEST_UTF8:
            texts.append("")
        else:
            texts.append(text)
            pending = []
    return texts


def features(texts: Sequence[str]) -> tuple[Values, Counted]:
    """The FEATURES at each token, once it is read, (F, T); and where they count, (F, T).

    Headings and blank lines do not count; nor, for rhyme, does the first line of a stanza, which
    has nothing to rhyme with. A line end opens the line after it.
    """
    lines = "".join(texts).split("\n")
    rhyming = _rhyming_back(lines)
    values = np.zeros((len(FEATURES), len(texts)), np.float32)
    counted = np.zeros(values.shape, bool)
    number = read = 0
    quoted = False
    for t, text in enumerate(texts):
        if text == "\n":
            number, read = number + 1, 0
        else:
            read += len(text)
        line, rhymed = lines[number], rhyming[number]
        for character in text:
            if character in '"“”':
                quoted = character == "“" or (character == '"' and not quoted)
        quoted = quoted and bool(line)  # a mark that is never closed ends with its stanza
        values[:, t] = read / max(1, len(line)), rhymed or False, quoted
        counted[:, t] = _is_sung(line)
        counted[1, t] &= rhymed is not None
    return values, counted


def carried(trace: Trace) -> Array:
    """What a unit carries in time, (H, T, B): its cell state, or in a plain cell its hidden one."""
    if trace.cells is None:
        return trace.hidden[:, 1:]
    return np.moveaxis(trace.cells[1:], 1, 0)


def sensitivity(
    network: Network,
    tokenizer: Tokenizer,
    songs: Sequence[Song],
    layer: int,
    progress: Callable[[int], None] = lambda songs: None,
) -> Sensitivity:
    """Read songs, each from a zero state behind its genre and title; layers count from 0.

    progress hears how many songs are done. Raises RequestError when the songs have no sung line.
    """
    framed = sorted((frame_song(tokenizer, song).ids() for song in songs), key=len)
    told = [features(token_texts(tokenizer, ids[ids.index(TEXT) + 1 : -1])) for ids in framed]
    tokens = sum(int(counted[0].sum()) for _, counted in told)
    if not tokens:
        raise RequestError("There is no sung line in the songs to measure the units on.")
    sums = _Sums(network.config.hidden_size, 2 * len(FEATURES))
    done = 0
    with one_blas_thread():
        for batch, values, counted in _batches(framed, _with_control(told)):
            state = network.zero_state(batch.shape[1])
            for start in range(0, len(batch), STEPS_AT_ONCE):
                part = slice(start, start + STEPS_AT_ONCE)
                activations = network.forward(batch[part], state)
                state = activations.state
                units = carried(activations.traces[layer])
                sums.add(units, values[:, part], counted[:, part])
            done += batch.shape[1]
            progress(done)
    found = sums.correlations()
    occurring = [k for k in range(len(FEATURES)) if np.isfinite(found[:, k]).any()]
    names = list(FEATURES)
    return Sensitivity(
        {names[k]: np.nan_to_num(found[:, k]) for k in occurring},
        {names[k]: float(np.nanmax(np.abs(found[:, len(names) + k]))) for k in occurring},
        *sums.moments(),
        len(songs),
        tokens,
    )


class _Sums:
    """What Pearson's correlation needs of U units and F features, each over its own tokens."""

    def __init__(self, units: int, features: int) -> None:
        self._tokens, self._y, self._yy = np.zeros((3, features))
        self._x, self._xx, self._xy = np.zeros((3, units, features))

    def add(self, units: Array, values: Array, counted: Counted) -> None:
        """units (U, T, B), values (F, T, B), counted (F, T, B)."""
        x = units.reshape(len(units), -1).astype(np.float64)
        m = counted.reshape(len(counted), -1).astype(np.float64)
        y = values.reshape(len(values), -1) * m
        self._tokens += m.sum(axis=1)
        self._y += y.sum(axis=1)
        self._yy += np.square(y).sum(axis=1)
        self._x += x @ m.T
        self._xx += np.square(x) @ m.T
        self._xy += x @ y.T

    def moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and standard deviation of each unit (U,), over the tokens of the first feature."""
        mean = self._x[:, 0] / self._tokens[0]
        return mean, np.sqrt(np.maximum(self._xx[:, 0] / self._tokens[0] - mean**2, 0))

    def correlations(self) -> npt.NDArray[np.float64]:
        """(U, F); not a number where a unit or a feature never changes."""
        with np.errstate(invalid="ignore", divide="ignore"):
            n = self._tokens
            x, y = self._x / n, self._y / n
            x_variance = np.maximum(self._xx / n - x**2, 0)
            y_variance = np.maximum(self._yy / n - y**2, 0)
            result: npt.NDArray[np.float64] = (self._xy / n - x * y) / np.sqrt(
                x_variance * y_variance
            )
        return result


def _with_control(told: Sequence[tuple[Values, Counted]]) -> Iterator[tuple[Values, Counted]]:
    """Each song's features and where they count, (2F, T): the second F from half the songs away."""
    moved = []
    for k in range(len(FEATURES)):
        whole = np.concatenate([values[k, counted[k]] for values, counted in told])
        moved.append(iter(np.roll(whole, len(whole) // 2)))
    for values, counted in told:
        control = np.zeros_like(values)
        for row, where, source in zip(control, counted, moved, strict=True):
            row[where] = list(islice(source, int(where.sum())))
        yield np.concatenate([values, control]), np.concatenate([counted, counted])


def _batches(
    framed: Sequence[Sequence[int]], told: Iterator[tuple[Values, Counted]]
) -> Iterator[tuple[npt.NDArray[np.int32], Values, Counted]]:
    """Songs of like length side by side: ids (T, B), features and where they count (2F, T, B)."""
    for first in range(0, len(framed), SONGS_AT_ONCE):
        songs = framed[first : first + SONGS_AT_ONCE]
        shape = max(map(len, songs)), len(songs)
        ids = np.full(shape, END, np.int32)
        values = np.zeros((2 * len(FEATURES), *shape), np.float32)
        counted = np.zeros(values.shape, bool)
        for column, song in enumerate(songs):
            ids[: len(song), column] = song
            text = slice(song.index(TEXT) + 1, len(song) - 1)
            values[:, text, column], counted[:, text, column] = next(told)
        yield ids, values, counted


def _is_sung(line: str) -> bool:
    return bool(line) and not is_heading(line)


def _rhyming_back(lines: Sequence[str]) -> list[bool | None]:
    """Whether each line's last word rhymes with one of the REACH lines before it in its stanza.

    None for the first line of a stanza, and for what is not sung.
    """
    result: list[bool | None] = []
    ends: list[str] = []
    for line in lines:
        if not _is_sung(line):
            ends = []
            result.append(None)
            continue
        end = last_word(line)
        result.append(any(rhymes(end, other) for other in ends[-REACH:]) if ends else None)
        ends.append(end)
    return result
