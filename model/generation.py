"""Writing a lyric: line by line, each line written several ways at once, the best one kept.

A plain language model of this size hardly rhymes by itself. So every line is sampled CANDIDATES
times in one batch from the same state; of those in dictionary words, the first that rhymes with an
open line end of its stanza is kept, and where none does, the first. Nothing but these candidates
is in the batch, so a lyric is a function of the weights, the wish and the random seed alone.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

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


class LineWriter:
    """Samples candidates for a line with a network and its tokenizer."""

    def __init__(self, network: Network, tokenizer: Tokenizer) -> None:
        self._stepper = Stepper(network)
        self.tokenizer = tokenizer
        pieces = [tokenizer.decode([i]) for i in range(tokenizer.vocabulary_size)]
        self._newline = tokenizer.newline
        self._lengths = [len(piece) for piece in pieces]
        # The song ends when it has its lines, so no special token is ever wanted.
        self._special = _mask([i < len(SPECIALS) for i in range(len(pieces))])
        self._in_word = _mask([piece != "" and _goes_on_a_word(piece[0]) for piece in pieces])
        self._blank = _mask([piece != "" and not piece.strip() for piece in pieces])

    def read(self, ids: Sequence[int]) -> tuple[Array, State]:
        """Logits (V,) after ids from a zero state, and the state (H, 1)."""
        network = self._stepper.network
        activations = network.forward(np.array(ids)[:, None], network.zero_state(1))
        return network.logits(activations.output[:, -1])[0], activations.state

    def candidates(
        self, logits: Array, state: State, wish: Wish, rng: np.random.Generator, first: Array
    ) -> tuple[list[Candidate], State]:
        """CANDIDATES ways to go on to the end of the line, and each one's state (H, B) there.

        logits (V,) and state (H, 1) stand before the next token; `first` (V,) is added to its
        logits, to forbid some.
        """
        logits = np.repeat(logits[None] + first, CANDIDATES, axis=0)
        states = tuple(tuple(np.repeat(a, CANDIDATES, axis=1) for a in layer) for layer in state)
        finals = tuple(tuple(np.empty_like(a) for a in layer) for layer in states)
        found = [Candidate() for _ in range(CANDIDATES)]
        running = np.arange(CANDIDATES)  # the candidates that the rows of logits and states are of
        while True:
            tokens = sample(
                logits + self._special,
                rng.random(len(running)),
                temperature=wish.temperature,
                top_p=wish.top_p,
            )
            goes_on = np.array(
                [self._extend(found[i], int(t)) for i, t in zip(running, tokens, strict=True)]
            )
            for layer, final in zip(states, finals, strict=True):
                for array, kept in zip(layer, final, strict=True):
                    kept[:, running[~goes_on]] = array[:, ~goes_on]
            running, tokens = running[goes_on], tokens[goes_on]
            if not len(running):
                break
            states = tuple(tuple(a[:, goes_on] for a in layer) for layer in states)
            logits, states = self._stepper.step(tokens, states)
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
        return True

    def first_token(self, opening: str, written: Sequence[str]) -> Array:
        """What the next token must not be: -inf (V,) where it is forbidden, else 0.

        After a seed, no piece that would make its last word another word; elsewhere, no blank
        line at the start, after a heading or after another blank line.
        """
        if opening:
            return self._in_word if _is_of_a_word(opening[-1]) else np.zeros_like(self._in_word)
        after_line = bool(written and written[-1] and not is_heading(written[-1]))
        return np.zeros_like(self._blank) if after_line else self._blank

    def end_line(self, states: State, row: int) -> tuple[Array, State]:
        """Read the line end after candidate `row`: logits (V,) and the state (H, 1) after it."""
        chosen = tuple(tuple(a[:, row : row + 1] for a in layer) for layer in states)
        logits, state = self._stepper.step(np.array([self._newline]), chosen)
        return logits[0], state


def write_lines(
    writer: LineWriter, wish: Wish, random_seed: int, should_stop: Callable[[], bool]
) -> Iterator[str]:
    """The lines of a lyric, headings and blank lines included, as they are finished.

    The first line opens with the seed. Ends after `wish.lines` sung lines, or on the first whole
    line after `should_stop` says so.
    """
    rng = np.random.default_rng(random_seed)
    logits, state = writer.read(frame_wish(writer.tokenizer, wish))
    stanza = Stanza()
    written: list[str] = []
    sung = 0
    while sung < wish.lines:
        opening = "" if written else wish.seed or ""
        first = writer.first_token(opening, written)
        candidates, states = writer.candidates(logits, state, wish, rng, first)
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
        logits, state = writer.end_line(states, row)


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


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _goes_on_a_word(character: str) -> bool:
    return _is_of_a_word(character) or character in "'\u2019"


def _mask(forbidden: Sequence[bool]) -> Array:
    return np.where(forbidden, -np.inf, 0).astype(np.float32)
