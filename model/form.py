"""The form of a song: its sections, and which line ends must rhyme with which.

A form that was asked for is laid out before a word is written; one that was not is the network's
to make up as it goes, within a rhyme scheme if there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.wish import RETURNING, Wish

LONGEST_STANZA = 8  # lines after which a stanza of the network's own in a rhyme scheme ends


@dataclass(frozen=True)
class LineDemand:
    """What a rhyme scheme asks of a line's end."""

    answers: tuple[int, ...] = ()  # lines of its stanza, by index, that it must rhyme with
    awaiting: int = 0  # lines behind it that must rhyme with it
    free: bool = False  # no scheme: it may rhyme as it likes


@dataclass(frozen=True)
class Section:
    """A section of a structure that was asked for."""

    heading: str  # "[Verse 1]"
    repeats: int | None  # the earlier section, by index, whose lines return


def sections_of(wish: Wish) -> tuple[Section, ...]:
    """The sections of a wish's structure, verses numbered; none when there is no structure."""
    names = wish.sections
    found = []
    verses = 0
    for number, name in enumerate(names):
        first = names.index(name)
        title = name.title()
        if name == "verse":
            verses += 1
            title = f"{title} {verses}"
        returns = name in RETURNING and first < number
        found.append(Section(f"[{title}]", first if returns else None))
    return tuple(found)


def line_demand(wish: Wish, line: int, lines_left: int) -> LineDemand:
    """What the scheme asks of a line of a stanza, by index.

    lines_left: sung lines that can still follow it in its stanza.
    """
    if wish.rhyme is None:
        return LineDemand(free=True)
    period = len(wish.rhyme)
    place = line % period
    letter = wish.rhyme[place]
    first = line - place
    answers = tuple(first + i for i in range(place) if wish.rhyme[i] == letter)
    awaiting = wish.rhyme[place + 1 : place + 1 + lines_left].count(letter)
    return LineDemand(answers, awaiting)


def may_end_stanza(wish: Wish, lines: int) -> bool:
    """Whether the scheme lets a stanza of the network's own end after so many lines."""
    if wish.rhyme is None:
        return True
    period = 2 if wish.rhyme == "AABB" else len(wish.rhyme)
    return lines % period == 0


def must_end_stanza(wish: Wish, lines: int) -> bool:
    """Whether it must; without a scheme that is up to the network."""
    return wish.rhyme is not None and lines >= LONGEST_STANZA


def rhyme_pairs(scheme: str, lines: int) -> Sequence[tuple[int, int]]:
    """The lines of a stanza, by index, that a scheme pairs: each with the nearest before it."""
    period = len(scheme)
    pairs = []
    for line in range(lines):
        place = line % period
        earlier = scheme.rfind(scheme[place], 0, place)
        if earlier != -1:
            pairs.append((line - place + earlier, line))
    return pairs
