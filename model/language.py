"""What a model's tokens are in a line of text: which go on a word, close a line or are no text."""

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model import rhyme
from model.originality import NgramIndex
from model.recurrence import Array
from model.rhyme_words import RhymeWords
from model.tokenizer import REPLACEMENT, SPECIALS, Tokenizer

ENGLISH_SHARE = 0.5  # of a vocabulary's words the dictionary lists, if it is one of English
LONG_PIECE = 3  # characters of a piece that counts as a word of the vocabulary

Mask = npt.NDArray[np.bool_]  # (V,)


class Language:
    """A tokenizer's tokens as parts of lines, and the words one may know with them."""

    def __init__(self, tokenizer: Tokenizer, index: NgramIndex | None) -> None:
        """index: the n-grams of what the model learned, if they are known."""
        size = tokenizer.vocabulary_size
        self.tokenizer = tokenizer
        self.index = index
        self.newline = tokenizer.newline
        self.rhyme_words = RhymeWords(tokenizer, index)
        self.pieces = [tokenizer.decode([i]) for i in range(size)]
        self.goes_on = [piece != "" and goes_on_a_word(piece[0]) for piece in self.pieces]
        self.begins = [
            REPLACEMENT in piece or any(map(is_of_a_word, piece)) for piece in self.pieces
        ]
        self._english = _is_english(self.pieces)
        marks = np.zeros(size, bool)
        marks[tokenizer.layout_ids] = True
        blank = np.array([not piece.strip() for piece in self.pieces])
        brackets = np.array([piece.lstrip().startswith("[") for piece in self.pieces])
        tail = np.array([_closes(piece) for piece in self.pieces])
        goes_on = np.array(self.goes_on)
        at_newline = np.arange(size) == self.newline
        control = np.array([any(map(_is_control, piece)) for piece in self.pieces])
        # Masks (V,) to add to logits: -inf rules a token out.
        no_text = np.arange(size) < len(SPECIALS)
        self.never = mask(no_text | marks | (control & ~at_newline))
        self.no_heading = mask(brackets)
        self.no_blank = mask(blank & ~at_newline)
        self.no_space = mask(np.array([piece.startswith(" ") for piece in self.pieces]))
        self.no_word = mask(~goes_on & ~tail & ~at_newline)
        self.no_going_on = mask(goes_on)
        self.tail_ids = [int(i) for i in np.flatnonzero(tail | at_newline)]
        self.mark_ids = np.flatnonzero(marks)
        self.opening_ids = self._with("(", ' "')
        self.bracket_ids = self._with(")")
        self.wordless_ids = np.flatnonzero(~np.array(self.begins))  # marks and line ends, too

    def tails_with(self, closing: str) -> list[int]:
        """The tokens behind a line's last word that close what `closing` closes."""
        return [i for i in self.tail_ids if closing in self.pieces[i]]

    def _with(self, *parts: str) -> list[int]:
        """The tokens whose piece holds one of these."""
        return [i for i, piece in enumerate(self.pieces) if any(part in piece for part in parts)]

    def knows(self, word: str) -> bool:
        """Whether it is a word: one that was learned, or where that is not known, a listed one."""
        if self.index is not None:
            return self.index.knows(word)
        return not self._english or rhyme.is_word(word)


def mask(forbidden: Mask) -> Array:
    """0 where a token may stand, -inf where it is forbidden."""
    return np.where(forbidden, -np.inf, 0).astype(np.float32)


def is_of_a_word(character: str) -> bool:
    """Whether a character is a letter, a digit, or a mark that belongs to one."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def goes_on_a_word(character: str) -> bool:
    """Whether a character behind a word is still of that word."""
    return is_of_a_word(character) or character in "'\u2019" or character == REPLACEMENT


def _is_control(character: str) -> bool:
    return unicodedata.category(character).startswith("C")


def _closes(piece: str) -> bool:
    """Whether a piece is punctuation that may stand between a line's last word and its end."""
    return piece != "" and all(character in ',.!?;:)"\u201d\u2026' for character in piece)


def _is_english(pieces: Sequence[str]) -> bool:
    words = [piece[1:] for piece in pieces if piece.startswith(" ") and piece[1:].isalpha()]
    words = [word for word in words if len(word) >= LONG_PIECE] or [
        piece for piece in pieces if len(piece) >= LONG_PIECE and piece.isalpha()
    ]
    known = sum(map(rhyme.is_word, words))
    return bool(words) and known >= ENGLISH_SHARE * len(words)
