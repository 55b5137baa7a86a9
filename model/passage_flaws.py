"""What keeps a passage of old verse from being learned from: its words, its names, too few rhymes.

The limits were set by reading what each of them lets in. Slurs and obscene words are told by the
lists of the word filter.
"""

import re
from collections.abc import Sequence
from functools import cache

from model.rhyme import end_rhyme_rate, is_word, words
from model.word_filter import obscene_words, word_list

FEWEST_LINES = 8  # of a passage
LEAST_RHYME = 0.6  # share of a passage's lines that rhyme inside their stanza
MOST_UNKNOWN = 0.05  # share of words that the pronouncing dictionary lacks
MOST_ARCHAIC = 0.02  # share of words such as "thee" and "hath"
MOST_CLIPPED = 0.02  # share of words such as "an'" and "'is"; "runnin'" and "'em" do not count
MOST_NAMES = 0.045  # share of words with a capital inside a line

_NAME = re.compile(r"(?<=[a-z,'] )\"?[A-Z][a-z]")
_CLIPPED = re.compile(
    r"(?<![A-Za-z])'(?!(?:em|cause|til|till|round|bout|neath|tis|twas|twere|s|ll)\b)[a-z]"
    r"|[A-Za-z]'(?<!in')(?<!s')(?<!z')(?![A-Za-z])"
)


class Reason:
    """Why lines were not kept, as the report's table calls it."""

    NOT_VERSE = "not verse: prose, headings, notes, markup, very long or short lines"
    NO_RHYME = "do not rhyme"
    SHORT = f"passage of fewer than {FEWEST_LINES} lines"
    ENGLISH = "words that are not today's English"
    ARCHAIC = "too archaic"
    DIALECT = "written as a dialect sounds"
    NAMES = "too many names"
    SLUR = "slurs or obscene words"
    COPY = "near-copies of earlier passages"
    LEFT_OUT = "near-copies of what is to be left out"


def flaw(passage: Sequence[Sequence[str]]) -> str | None:
    """Why the passage, stanzas of lines, is not kept; None if it is."""
    lines = [line for stanza in passage for line in stanza]
    if len(lines) < FEWEST_LINES:
        return Reason.SHORT
    found = [word for line in lines for word in words(line)]
    archaic = archaic_words()
    if not obscene_words().isdisjoint(found):
        return Reason.SLUR
    if sum(not _known(word) for word in found) > MOST_UNKNOWN * len(found):
        return Reason.ENGLISH
    if sum(word in archaic for word in found) > MOST_ARCHAIC * len(found):
        return Reason.ARCHAIC
    if sum(len(_CLIPPED.findall(line)) for line in lines) > MOST_CLIPPED * len(found):
        return Reason.DIALECT
    if sum(len(_NAME.findall(line)) for line in lines) > MOST_NAMES * len(found):
        return Reason.NAMES
    if end_rhyme_rate(passage) < LEAST_RHYME:
        return Reason.NO_RHYME
    return None


def slurs() -> frozenset[str]:
    """Words that insult people for what they are; the file says more."""
    return word_list("slurs.txt")


def archaic_words() -> frozenset[str]:
    """Words that date a text, such as "hath" and "thou", or spell a dialect."""
    return word_list("archaic.txt")


@cache
def _known(word: str) -> bool:
    return is_word(word)
