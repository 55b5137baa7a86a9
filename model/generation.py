"""Writing a lyric: line by line, each line written several ways at once, the best one kept.

A plain language model of this size hardly rhymes by itself. So every line is sampled CANDIDATES
times in one batch from the same state; of those in dictionary words, the first that rhymes with an
open line end of its stanza is kept, and where none does, the first. Nothing but these candidates
is in the batch, so a lyric is a function of the weights, the wish and the random seed alone.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from model import rhyme
from model.corpus import is_heading
from model.frame import frame_wish
from model.network import Network, State
from model.recurrence import Array
from model.sampling import sample
from model.stepping import Stepper
from model.tokenizer import REPLACEMENT, SPECIALS, Tokenizer
from model.wish import Wish

CANDIDATES = 32  # ways in which each line is written
LINE_CHARACTERS = 120  # a line is dropped where it grows longer


@dataclass
class Candidate:
    """One way to write the next line."""

    ids: list[int] = field(default_factory=list)
    characters: int = 0
    whole: bool = False  # it came to its line end
    marked: bool = False  # the word that its end rhymes with is chosen
    text: str = ""


@dataclass
class Stanza:
    """The stanza being written: which of its line ends still wait for a rhyme."""

    lines: list[str] = field(default_factory=list)
    open_ends: list[int] = field(default_factory=list)  # indices into lines

    def rhyming(self, line: str) -> int | None:
        """The nearest open line that `line` rhymes with, if any."""
        for i in reversed(self.open_ends):
            if i >= len(self.lines) - rhyme.REACH and rhyme.rhymes(
                rhyme.last_word(self.lines[i]), rhyme.last_word(line)
            ):
                return i
        return None

    def add(self, line: str) -> None:
        """Take a line in; it closes the line end that it rhymes with."""
        answered = self.rhyming(line)
        if answered is None:
            self.open_ends.append(len(self.lines))
        else:
            self.open_ends.remove(answered)
        self.lines.append(line)


@dataclass
class LineStart:
    """Where a line begins: one place, from which all its candidates go on."""

    logits: Array  # (V,), of the next token
    state: State  # (H, 1)


class LineWriter:
    """Samples candidates for a line with a network and its tokenizer."""

    def __init__(self, network: Network, tokenizer: Tokenizer) -> None:
        self._stepper = Stepper(network)
        self.tokenizer = tokenizer
        pieces = [tokenizer.decode([i]) for i in range(tokenizer.vocabulary_size)]
        self._newline = tokenizer.newline
        self._lengths = [len(piece) for piece in pieces]
        # The song ends when it has its lines, so no special token is ever wanted.
        self._no_mark = _mask(
            [i < len(SPECIALS) or i in tokenizer.layout_ids for i in range(len(pieces))]
        )
        self._in_word = _mask([piece != "" and _goes_on_a_word(piece[0]) for piece in pieces])
        self._blank = _mask([piece != "" and not piece.strip() for piece in pieces])

    def read(self, ids: Sequence[int], start: LineStart | None = None) -> LineStart:
        """Read ids behind a place, or from a zero state."""
        network = self._stepper.network
        state = network.zero_state(1) if start is None else start.state
        activations = network.forward(np.array(ids)[:, None], state)
        return LineStart(network.logits(activations.output[:, -1])[0], activations.state)

    def opened(self, start: LineStart, opening: str) -> LineStart:
        """The line begun with opening words; no piece makes the last one another word."""
        start = self.read(self.tokenizer.encode(opening), start)
        if _is_of_a_word(opening[-1]):
            start = LineStart(start.logits + self._in_word, start.state)
        return start

    def without_blank(self, start: LineStart) -> LineStart:
        """The same place, but no blank line comes next."""
        return LineStart(start.logits + self._blank, start.state)

    def end_line(self, states: State, row: int) -> LineStart:
        """Read the line end after candidate `row`, to the start of the next line."""
        logits, state = self._stepper.step(
            np.array([self._newline]), _rows(states, slice(row, row + 1))
        )
        return LineStart(logits[0], state)

    def candidates(
        self, start: LineStart, marks: Mapping[int, int], wish: Wish, rng: np.random.Generator
    ) -> tuple[list[Candidate], State]:
        """CANDIDATES ways to go on to the end of the line, and each one's state (H, C) there.

        marks: what may stand before its last word, and what follows each (`Tokenizer.marks`).
        """
        logits: Array = np.repeat(start.logits[None], CANDIDATES, axis=0)
        states = _rows(start.state, np.zeros(CANDIDATES, int))
        finals = tuple(tuple(np.empty_like(a) for a in layer) for layer in states)
        found = [Candidate() for _ in range(CANDIDATES)]
        running = np.arange(CANDIDATES)  # the candidates that the rows of logits and states are of
        unmarked = self._no_mark.copy()  # what cannot come next while these marks can
        unmarked[list(marks)] = 0
        while True:
            marked = np.array([found[i].marked for i in running])
            tokens = sample(
                logits + np.where(marked[:, None], self._no_mark, unmarked),
                rng.random(len(running)),
                temperature=wish.temperature,
                top_p=wish.top_p,
            )
            for row, number in enumerate(running):
                before = found[number].ids
                if before and before[-1] in marks:
                    tokens[row] = marks[before[-1]]
            goes_on = np.array(
                [self._extend(found[i], int(t)) for i, t in zip(running, tokens, strict=True)]
            )
            for layer, final in zip(states, finals, strict=True):
                for array, kept in zip(layer, final, strict=True):
                    kept[:, running[~goes_on]] = array[:, ~goes_on]
            running, tokens = running[goes_on], tokens[goes_on]
            if not len(running):
                break
            logits, states = self._stepper.step(tokens, _rows(states, goes_on))
        for candidate in found:
            candidate.text = self.tokenizer.decode(candidate.ids)
        return found, finals

    def _extend(self, candidate: Candidate, token: int) -> bool:
        """Add a token to a candidate; whether its line goes on after it."""
        candidate.characters += self._lengths[token]
        candidate.whole = token == self._newline
        if candidate.whole or candidate.characters > LINE_CHARACTERS:
            return False
        candidate.ids.append(token)
        candidate.marked |= token in self.tokenizer.layout_ids
        return True


def write_lines(
    writer: LineWriter, wish: Wish, random_seed: int, should_stop: Callable[[], bool]
) -> Iterator[str]:
    """The lines of a lyric, headings and blank lines included, as they are finished.

    The first line opens with the seed. Ends after `wish.lines` sung lines, or on the first whole
    line after `should_stop` says so.
    """
    rng = np.random.default_rng(random_seed)
    start = writer.read(frame_wish(writer.tokenizer, wish))
    stanza = Stanza()
    written: list[str] = []
    sung = 0
    while sung < wish.lines:
        opening = "" if written else wish.seed or ""
        if opening:
            start = writer.opened(start, opening)
        elif not written or not written[-1] or is_heading(written[-1]):
            start = writer.without_blank(start)
        marks = {} if opening else writer.tokenizer.marks(stanza.lines)
        candidates, states = writer.candidates(start, marks, wish, rng)
        row = choose(candidates, opening, stanza, written)
        line = (opening + candidates[row].text).rstrip()
        written.append(line)
        if not line or is_heading(line):
            stanza = Stanza()
        else:
            stanza.add(line)
            sung += 1
        yield line
        if should_stop():
            return
        start = writer.end_line(states, row)


def choose(
    candidates: Sequence[Candidate], opening: str, stanza: Stanza, written: Sequence[str]
) -> int:
    """The candidate to keep: the model's own choice of what kind of line comes, then rhyme.

    The first whole candidate says whether a blank line, a heading or a sung line comes; so rhyme
    and spelling decide between lines but never the form of the song.
    """
    whole = [i for i, candidate in enumerate(candidates) if candidate.whole] or [0]
    first = opening + candidates[whole[0]].text
    if not first.strip() or is_heading(first):
        return whole[0]
    sound = [i for i in whole if is_sound(opening + candidates[i].text, written)] or whole[:1]
    spelled = [i for i in sound if all(rhyme.is_word(w) for w in rhyme.words(candidates[i].text))]
    pool = spelled or sound
    rhyming = (i for i in pool if stanza.rhyming(opening + candidates[i].text) is not None)
    return next(rhyming, pool[0])


def is_sound(line: str, written: Sequence[str]) -> bool:
    """A sung line that is whole text and does not repeat one of the last lines."""
    sung = line.strip()
    recent = {earlier.casefold() for earlier in written[-rhyme.REACH :]}
    return (
        bool(sung)
        and not is_heading(sung)
        and REPLACEMENT not in sung
        and any(character.isalnum() for character in sung)
        and sung.casefold() not in recent
    )


def _rows(states: State, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_] | slice) -> State:
    """The states (H, B) of some sequences."""
    return tuple(tuple(array[:, rows] for array in layer) for layer in states)


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _goes_on_a_word(character: str) -> bool:
    return _is_of_a_word(character) or character in "'\u2019"


def _mask(forbidden: Sequence[bool]) -> Array:
    return np.where(forbidden, -np.inf, 0).astype(np.float32)
