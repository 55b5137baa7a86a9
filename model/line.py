"""The sung line being written: its words, syllables and rhyme, and what may come next in it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from model import rhyme
from model.form import LineDemand
from model.language import Language, goes_on_a_word
from model.recurrence import Array
from model.rhyme_marks import sound_of
from model.rhyme_words import Node
from model.tokenizer import REPLACEMENT
from model.wish import Wish

LINE_CHARACTERS = 80  # a line that has come so far ends behind the word that it is in
LONGEST_LINE = 120  # characters; it ends even inside a word, of a script without spaces
RHYME_MIN_P = 0.05  # among the words of a sound, as Wish.min_p
SHORT_WORD = 2  # syllables for which a line's last word can nearly always be found
ANY = 10_000  # more syllables than a line has


@dataclass
class Line:
    """One line, from its start or from the opening words that a person typed."""

    language: Language
    wish: Wish
    demand: LineDemand
    ends: Sequence[str]  # last words of the stanza's lines before it
    marks: dict[int, int]  # rhyme marks that may come, each with the sound that follows
    opening: str
    text: str = ""
    ids: list[int] = field(default_factory=list)  # behind the opening
    bans: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # by place
    words: int = 0  # whole ones behind the opening
    syllables: int = 0  # of whole words
    word_start: int | None = None  # where in `text` the word being written begins
    word_place: int = 0  # where in `ids`
    closed: bool = False  # no token may go on the last word
    trie: Node | None = None  # of rhyming words, one of which must come or has come
    node: Node | None = None  # where in the trie the word is that is being written
    unrhymed: bool = False  # its rhyme was given up
    heading: bool = False  # it is none that is sung
    held: bool = False  # it must not end yet

    @property
    def open_word(self) -> str:
        """What there is of the word being written."""
        return "" if self.word_start is None else self.text[self.word_start :]

    @property
    def banned(self) -> Collection[int]:
        """The tokens that must not come next."""
        return self.bans.get(len(self.ids), ())

    @property
    def space(self) -> str:
        """What stands between the text so far and another word."""
        return "" if not self.text or self.text.endswith(" ") else " "

    @property
    def must_rhyme(self) -> bool:
        """Whether it must end in a rhyme."""
        return bool(self.demand.answers) and not self.unrhymed

    @property
    def most_syllables(self) -> int:
        """How many it may have with the word being written."""
        _, most = self.wish.syllable_range or (0, ANY)
        return most - (self.must_rhyme and self.trie is None)  # a rhyming word is still to come

    def misses_rhyme(self, end: str) -> bool:
        """Whether it must rhyme with lines that this last word does not rhyme with."""
        answered = (self.ends[i] for i in self.demand.answers)
        return self.must_rhyme and not all(rhyme.rhymes(end, other) for other in answered)

    @property
    def unclosed(self) -> str:
        """What closes the bracket or the quotation that is open; "" when none is."""
        written = self.text[len(self.opening) :]
        if written.count("(") > written.count(")"):
            return ")"
        return '"' if written.count('"') % 2 else ""

    def shape(self, logits: Array) -> None:
        """Rule out, in place, what cannot come next inside it; logits (V,)."""
        closing = self.unclosed
        if closing:
            self._shape_unclosed(logits, closing)
        if closing != ")":
            logits[self.language.bracket_ids] = -np.inf
        if self.node is not None:
            allowed = [i for i in self.node.children if i not in self.banned]
            allow_only(logits, allowed + self.language.tail_ids * self.node.ends)
            logits[logits < np.max(logits) + np.log(RHYME_MIN_P)] = -np.inf
        elif self.trie is not None:  # the word and a mark of punctuation stand
            allow_only(logits, [self.language.newline])
        else:
            self._shape_words(logits)

    def _shape_unclosed(self, logits: Array, closing: str) -> None:
        """Nothing more is opened, and what is open is closed before the line ends."""
        language = self.language
        logits[language.opening_ids] = -np.inf
        logits[language.newline] = -np.inf
        if self.node is not None:  # behind the rhyming word only one more token may come
            logits[list({*language.tail_ids} - {*language.tails_with(closing)})] = -np.inf

    def _shape_words(self, logits: Array) -> None:
        """Its words, where it may end, and which rhyme may come."""
        language, newline = self.language, self.language.newline
        words = self.words + bool(self.open_word) + bool(self.opening)
        syllables = self.syllables + syllables_of(self.open_word)
        least, most = self.wish.syllable_range or (0, ANY)
        marks = []
        if words and least - SHORT_WORD <= syllables < most and not (self.unrhymed or self.held):
            marks = list(self.marks)
        kept = logits[marks]
        if self.must_rhyme and marks:  # all ways to end the line are this one
            ends = logits[[*language.mark_ids, newline]]
            kept[:] = np.logaddexp.reduce(ends, keepdims=True)
        if not words or self.held or syllables < least or (self.must_rhyme and self.marks):
            logits[newline] = -np.inf
        logits += language.never
        logits += language.no_heading
        if self.closed:
            logits += language.no_going_on
        if self.text.endswith(" "):
            logits += language.no_space
        if syllables >= most - self.must_rhyme or len(self.text) > LINE_CHARACTERS:
            logits += language.no_word
        logits[marks] = kept
        if len(self.text) > LONGEST_LINE:
            closing = self.unclosed
            allow_only(logits, language.tails_with(closing) if closing else [*marks, newline])

    def add(self, token: int) -> bool:
        """Write a token of text; whether a word begins with it."""
        piece = self.language.pieces[token]
        at_rhyme = self.node is not None and self.node is self.trie  # which may begin with a space
        begins = self.word_start is None and (
            self.language.begins[token] or piece == "[" or at_rhyme
        )
        if begins:
            self.word_place, self.word_start = len(self.ids), len(self.text)
            self.heading = piece == "[" and not self.text
        if self.node is not None:
            self.node = self.node.children[token]
        self.closed = False
        self.ids.append(token)
        if REPLACEMENT in piece:  # a part of a character, which only the others make whole
            self.text = self.opening + self.language.tokenizer.decode(self.ids)
        else:
            self.text += piece
        return begins

    def add_word(self, ids: Sequence[int], word: str) -> None:
        """Write a word that is not the network's."""
        self.ids += ids
        self.text += self.space + word
        self.words += 1
        self.syllables += syllables_of(word)
        self.closed = True

    def end_word(self) -> list[str]:
        """The word being written is whole; the words that it is."""
        found = rhyme.words(self.open_word)
        self.words += len(found)
        self.syllables += syllables_of(self.open_word)
        self.word_start, self.node = None, None
        return found

    def begin_rhyme(self, answered: int) -> bool:
        """Let the next word be one that rhymes with that line of the stanza, if there is one."""
        sound = sound_of(self.ends[answered])
        if sound is not None:
            self.trie = self.node = self.language.rhyme_words.trie(
                sound, before=self.space, without=self.ends, fits=self._fits
            )
        self.unrhymed = self.trie is None
        return not self.unrhymed

    def _fits(self, word: str) -> bool:
        """Whether it has the syllables that were asked for with this last word."""
        least, most = self.wish.syllable_range or (0, ANY)
        syllables = self.syllables + syllables_of(self.open_word)
        return least <= syllables + rhyme.syllables(word) <= most

    def take_back(self) -> tuple[int, str | None]:
        """Unwrite the word being written; how many words were taken back here.

        Another word never begins with its first token here. Where it misses the line's rhyme, a
        rhyming one comes instead; with that comes the end that there is no rhyme for, if any.
        """
        end, first = rhyme.last_word(self.text), self.ids[self.word_place]
        self.text, self.ids = self.text[: self.word_start], self.ids[: self.word_place]
        self.word_start, self.heading = None, False
        self.closed = ends_in_a_word(self.text)
        for place in [place for place in self.bans if place > self.word_place]:
            del self.bans[place]
        if self.trie is None and self.words and self.misses_rhyme(end):
            answered = self.demand.answers[0]
            return 0, None if self.begin_rhyme(answered) else self.ends[answered]
        self.node = self.trie
        self.bans[self.word_place].add(first)
        return len(self.bans[self.word_place]), None

    @property
    def stuck(self) -> bool:
        """Whether no word is left of those that rhyme."""
        return self.trie is not None and self.bans[self.word_place].issuperset(self.trie.children)


def syllables_of(text: str) -> int:
    """Syllables of all its words."""
    return sum(map(rhyme.syllables, rhyme.words(text)))


def ends_in_a_word(text: str) -> bool:
    """Whether another letter would make its last word another one."""
    return text != "" and goes_on_a_word(text[-1])


def allow_only(logits: Array, ids: Sequence[int]) -> None:
    """Rule out all but these, in place; logits (V,)."""
    kept = logits[ids]
    logits[:] = -np.inf
    logits[ids] = kept
