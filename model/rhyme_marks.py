"""Rhyme in what the network sees: a mark before each word that rhymes.

A word that must rhyme stands a line or more behind the word it answers, and spelling hardly tells
how either sounds; a network that reads plain text learns next to no rhyme. So where a sung line
rhymes with the line k before it (in its stanza, k up to REACH), two tokens stand before its last
word:

    I walk this road alone
    my heart is made of <1> <OW N> stone

The first is the network's choice: that the line ends here, and which line it answers. The second,
how that line sounds, follows from the text so far: it is given to the network, never asked of it,
and costs nothing. Both are functions of the text, so how likely the network finds the text with its
marks is how likely it finds the text.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from model.rhyme import REACH, guessed_rhyming_parts, last_word, rhyming_part
from model.song_format import is_heading
from model.tokenizer import Tokenizer

SOUND_SHARE = 1 / 8  # of a vocabulary's ids, for sounds


class RhymeTokenizer(Tokenizer):
    """A tokenizer whose lines are marked with their rhymes.

    Its ids are those of the tokenizer inside, then REACH marks, then the sounds.
    """

    def __init__(self, inner: Tokenizer, sounds: Sequence[str]) -> None:
        """sounds: rhyming parts such as "OW N"; a rhyme of another sound has no mark."""
        self.inner = inner
        self.sounds = tuple(sounds)
        self.kind = inner.kind
        first_sound = inner.vocabulary_size + REACH
        self.vocabulary_size = first_sound + len(self.sounds)
        self.forced_ids = range(first_sound, self.vocabulary_size)
        self.layout_ids = range(inner.vocabulary_size, self.vocabulary_size)
        self._sound_ids = dict(zip(self.sounds, self.forced_ids, strict=True))
        self._newline = inner.newline

    @property
    def newline(self) -> int:
        return self._newline

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text)

    def encode_lines(self, text: str) -> list[int]:
        ids: list[int] = []
        ends: list[str] = []  # of the stanza's lines so far
        for number, line in enumerate(text.split("\n")):
            if number:
                ids.append(self._newline)
            if not line or is_heading(line):
                ends = []
                ids += self.inner.encode(line)
                continue
            end = last_word(line)
            marks = self._marks_of(end, ends)
            ends.append(end)
            at = max(0, line.rfind(" ")) if marks else 0
            ids += [*self.inner.encode(line[:at]), *marks, *self.inner.encode(line[at:])]
        return ids

    def _marks_of(self, end: str, ends: Sequence[str]) -> list[int]:
        """The marks of a line with this last word, behind lines with those; [] without a rhyme."""
        sounds = guessed_rhyming_parts(end)
        for distance, other in enumerate(reversed(ends[-REACH:]), start=1):
            sound = sound_of(other)
            if end != other and sound in sounds and sound in self._sound_ids:
                return [self._mark(distance), self._sound_ids[sound]]
        return []

    def _mark(self, distance: int) -> int:
        return self.layout_ids[distance - 1]

    def marks(self, stanza: Sequence[str]) -> Mapping[int, int]:
        marks: dict[int, int] = {}
        for distance, line in enumerate(reversed(stanza[-REACH:]), start=1):
            sound = self._sound_ids.get(sound_of(last_word(line)) or "")
            if sound is not None:
                marks[self._mark(distance)] = sound
        return marks

    def mark_name(self, i: int) -> str:
        if i in self.forced_ids:
            return f"<{self.sounds[i - self.forced_ids.start]}>"
        return f"<{i - self.layout_ids.start + 1}>" if i in self.layout_ids else ""

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode([i for i in ids if i < self.inner.vocabulary_size])

    def to_json(self) -> str:
        content = {"type": "rhyme marks", "sounds": self.sounds}
        return json.dumps({**content, "inner": json.loads(self.inner.to_json())}) + "\n"


def sound_of(word: str) -> str | None:
    """The rhyming part of a word; of one that is not listed, a guess by its spelling."""
    return rhyming_part(word) or min(guessed_rhyming_parts(word), default=None)


class SoundCount:
    """Counts the sounds of line ends in texts that pass by."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def passing(self, texts: Iterable[str]) -> Iterator[str]:
        """The same texts."""
        for text in texts:
            lines = (line for line in text.split("\n") if line and not is_heading(line))
            sounds = (sound_of(last_word(line)) for line in lines)
            self._counts.update(sound for sound in sounds if sound is not None)
            yield text

    def most_common(self, count: int) -> list[str]:
        """The most frequent sounds, at most so many."""
        return sorted(self._counts, key=lambda sound: (-self._counts[sound], sound))[:count]
