"""Character n-grams with interpolated modified Kneser-Ney smoothing, in numpy.

After Chen & Goodman 1999, section 3.4: three discounts an order, estimated from how many n-grams
occur once to four times; below the highest order an n-gram counts once for each character that
precedes it somewhere (n-grams at a song's start, which nothing precedes, count as they occur). The
last mass goes to the uniform distribution. An n-gram is a 64-bit key of 8 bits a symbol, the
newest in the lowest, so its context is the key without these 8, and sorted keys lie together by
context.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from model.corpus import Song

BITS = 8  # of a symbol
LONGEST = 64 // BITS  # order
UNKNOWN, START, GENRE, TITLE, TEXT, END = range(6)
MARKS = 6  # symbols that are no characters

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


class Alphabet:
    """Characters as symbols; what the training texts lack, or 8 bits cannot hold, is UNKNOWN."""

    def __init__(self, songs: Iterable[Song]) -> None:
        counts: Counter[str] = Counter()
        for song in songs:
            counts.update(song.text + (song.genre or "") + (song.title or ""))
        characters = sorted(counts, key=lambda c: (-counts[c], c))[: 2**BITS - MARKS]
        self._symbols = {character: i for i, character in enumerate(characters, MARKS)}
        self.predicted = len(characters) + 2  # symbols that can come next in a text: END, UNKNOWN

    def encode(self, text: str) -> list[int]:
        """The symbols of a text."""
        return [self._symbols.get(character, UNKNOWN) for character in text]


@dataclass(frozen=True)
class Grams:
    """The n-grams at every place where a text goes on, with up to LONGEST symbols."""

    keys: Keys  # (P,)

    @classmethod
    def of(cls, songs: Iterable[Song], alphabet: Alphabet, *, framed: bool) -> "Grams":
        """Each song stands behind start marks; `framed` puts genre and title before its text.

        The places are those of the characters of the text and of its end.
        """
        parts = []
        for song in songs:
            head = []
            if framed:
                head += [GENRE, *alphabet.encode(song.genre)] if song.genre else []
                head += [TITLE, *alphabet.encode(song.title)] if song.title else []
                head += [TEXT]
            begin = LONGEST - 1 + len(head)
            row = [START] * (LONGEST - 1) + head + [*alphabet.encode(song.text), END]
            symbols = np.array(row, np.uint64)
            keys = np.zeros(len(symbols) - begin, np.uint64)
            for back in range(LONGEST):
                keys |= symbols[begin - back : len(symbols) - back] << np.uint64(BITS * back)
            parts.append(keys)
        return cls(np.concatenate(parts))

    def order(self, order: int) -> Keys:
        """The keys of the last `order` symbols alone."""
        return _last(self.keys, order)


class Level:
    """One order's discounted counts, to look probabilities up in."""

    def __init__(self, keys: Keys, counts: npt.NDArray[np.int64]) -> None:
        """keys (N,), sorted and different."""
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, starts = np.unique(keys >> np.uint64(BITS), return_index=True)
        totals = np.add.reduceat(counts, starts).astype(np.float64)
        sizes = np.diff([*starts, len(keys)])
        self._keys = keys
        self._shares = ((counts - discounts) / np.repeat(totals, sizes)).astype(np.float32)
        self._contexts = contexts
        self._left = (np.add.reduceat(discounts, starts) / totals).astype(np.float32)

    def probabilities(self, keys: Keys, lower: Floats) -> Floats:
        """Of each n-gram's last symbol (P,), given what the next lower order says of it (P,)."""
        share = _found(self._keys, self._shares, keys, 0.0)
        left = _found(self._contexts, self._left, keys >> np.uint64(BITS), 1.0)
        return share + left * lower


class CharacterNgrams:
    """Models of all orders up to LONGEST from the same texts."""

    def __init__(self, grams: Grams, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._raw: list[Level] = []  # as the highest order
        self._continued: list[Level] = []  # below a higher one
        above: Keys | None = None  # the different n-grams of the next higher order
        for order in range(LONGEST, 0, -1):
            keys, counts = np.unique(grams.order(order), return_counts=True)
            self._raw.insert(0, Level(keys, counts))
            if above is not None:
                self._continued.insert(0, Level(keys, _preceding(keys, counts, above, order)))
            above = keys

    def probabilities(self, grams: Grams, highest: int) -> Floats:
        """Of each place's symbol (P,) by the model of order `highest`."""
        result = np.full(len(grams.keys), 1 / self._alphabet.predicted)
        for order in range(1, highest):
            result = self._continued[order - 1].probabilities(grams.order(order), result)
        return self._raw[highest - 1].probabilities(grams.order(highest), result)


@dataclass(frozen=True)
class Mixture:
    """A share of one model's probabilities and the rest of another's, chosen on held-out text."""

    first: Floats
    second: Floats

    @cached_property
    def share(self) -> float:
        """The share of the first, in hundredths, with which these places are likeliest."""
        return float(max(np.linspace(0, 1, 101), key=lambda s: -bits_per_symbol(self.at(s))))

    def at(self, share: float) -> Floats:
        """The probabilities with a share of the first."""
        return share * self.first + (1 - share) * self.second


def bits_per_symbol(probabilities: Floats) -> float:
    """Of a song's characters and its end: what `model.evaluation` calls bits per character."""
    return float(-np.log2(probabilities).mean())


def _last(keys: Keys, order: int) -> Keys:
    return keys & np.uint64(2 ** (BITS * order) - 1)


def _preceding(
    keys: Keys, counts: npt.NDArray[np.int64], above: Keys, order: int
) -> npt.NDArray[np.int64]:
    """How many different symbols precede each n-gram; at a song's start, how often it occurs."""
    suffixes, preceding = np.unique(_last(above, order), return_counts=True)
    assert np.array_equal(suffixes, keys)
    return np.where(keys >> np.uint64(BITS * (order - 1)) == START, counts, preceding)


def _discounts(counts: Sequence[int] | npt.NDArray[np.int64]) -> Floats:
    """What an n-gram that occurs 0, 1, 2, 3 or more times gives away (Chen & Goodman, eq. 17).

    Where too few n-grams occur so seldom to say: 0.5, 1 and 1.5, as KenLM takes.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(np.equal(counts, n))) for n in range(1, 5))
    if not (n1 and n2 and n3):
        return np.array([0, 0.5, 1, 1.5])
    y = n1 / (n1 + 2 * n2)
    found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return found if (found[1:] > 0).all() else np.array([0, 0.5, 1, 1.5])


def _found(
    sorted_keys: Keys, values: npt.NDArray[np.float32], keys: Keys, otherwise: float
) -> Floats:
    """The value of each key, or `otherwise` where it is not among the sorted ones."""
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[place] == keys, values[place], np.float32(otherwise)).astype(float)
