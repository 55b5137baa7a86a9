"""Making a corpus of song-like verse: what `python -m model prepare` does.

Old books are mostly not songs. Kept are passages of short lines that rhyme (see stanzas.py), in
English words of today, without slurs, each once. Songs that are already in the corpus format are
kept as they stand, but for slurs and copies. The result depends on nothing but the sources.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model.corpus import Song, normalized_text, parse_songs, same_words_key, text_files, write_songs
from model.errors import CorpusError
from model.raw_verse import (
    book_text,
    clean_line,
    is_poetry_corpus,
    is_song_file,
    poetry_lines,
    without_stop,
)
from model.rhyme import end_rhyme_rate, is_word, last_word, syllables, words
from model.stanzas import rhyme_partners, rhyming_spans, stanza_breaks

FEWEST_SYLLABLES = 3  # of a line
MOST_SYLLABLES = 11
FEWEST_LINES = 8  # of a passage
MOST_LINES = 40  # a longer passage is cut between stanzas
LONGEST_PRINTED_STANZA = 16  # a longer one is cut where its rhymes allow
LEAST_RHYME = 0.6  # share of a passage's lines that rhyme inside their stanza
MOST_UNKNOWN = 0.04  # share of words that the pronouncing dictionary lacks
MOST_ARCHAIC = 0.02  # share of words such as "thee" and "hath"
MOST_NAMES = 0.04  # share of words with a capital inside a line
MOST_SEEN_LINES = 0.4  # share of lines that stand in an earlier passage

# On the word list for another meaning than verse has in mind.
HARMLESS_IN_VERSE = frozenset(
    {
        "bondage",
        "domination",
        "escort",
        "grope",
        "hoe",
        "hoes",
        "intercourse",
        "snatch",
        "spunk",
        "suck",
        "sucks",
        "undressing",
    }
)

_NAME = re.compile(r"(?<=[a-z,'] )\"?[A-Z][a-z]")
_QUOTE = re.compile('"')
_BLANK_LINES_BETWEEN_POEMS = 3


class Reason:
    """Why lines were not kept, as the report's table calls it."""

    NOT_VERSE = "not verse: prose, headings, notes, markup, very long or short lines"
    NO_RHYME = "do not rhyme"
    SHORT = f"passage of fewer than {FEWEST_LINES} lines"
    ENGLISH = "words that are not today's English"
    ARCHAIC = "too archaic"
    NAMES = "too many names"
    SLUR = "slurs or obscene words"
    COPY = "copies of earlier passages"


@dataclass
class PrepareReport:
    """What was kept and why the rest was dropped, in lines."""

    passages: int = 0
    lines: int = 0
    characters: int = 0
    rhyme_rate: float = 0.0  # share of the kept lines that rhyme within four lines
    dropped: Counter[str] = field(default_factory=Counter)

    def table(self) -> Table:
        """The report for people."""
        total = self.lines + self.dropped.total()
        table = Table("", "lines", "share", title="What was kept, and why the rest was not")
        for name, count in (("kept", self.lines), *self.dropped.most_common()):
            table.add_row(name, f"{count:,}", f"{count / max(total, 1):.1%}")
        table.caption = (
            f"{self.passages:,} passages, {self.characters:,} characters; "
            f"{self.rhyme_rate:.0%} of the lines rhyme within four lines."
        )
        return table


def prepare(sources: Sequence[Path], out: Path, *, console: Console | None = None) -> PrepareReport:
    """Read sources (files or folders of them), write the corpus `out`, and say what was kept.

    Shows a progress bar on `console` (default: standard error). Raises CorpusError.
    """
    files = _files(sources)
    report = PrepareReport()
    with Progress(console=console or Console(stderr=True), transient=True) as progress:
        write_songs(_kept_songs(files, report, progress), out)
    report.rhyme_rate /= max(report.lines, 1)
    return report


def _files(sources: Iterable[Path]) -> list[Path]:
    files: dict[Path, Path] = {}  # resolved -> as given, so that none is read twice
    for source in sources:
        if not source.exists():
            raise CorpusError(f"{source} does not exist.")
        found = [source]
        if source.is_dir():
            packed = [path for path in source.rglob("*") if is_poetry_corpus(path)]
            texts = [path for path in source.rglob("*") if path.suffix.lower() == ".txt"]
            found = sorted([*packed, *(text_files(source) if texts or not packed else [])])
        for path in found:
            files.setdefault(path.resolve(), path)
    return list(files.values())


def _kept_songs(files: Sequence[Path], report: PrepareReport, progress: Progress) -> Iterator[Song]:
    seen_songs: set[str] = set()
    verse = _VerseFilter(report.dropped)
    task = progress.add_task("reading", total=sum(path.stat().st_size for path in files))
    done = 0

    def advance(position: int) -> None:
        progress.update(task, completed=done + position)

    for path in files:
        progress.update(task, description=path.name)
        if is_poetry_corpus(path):
            songs = verse.songs(poetry_lines(path, advance))
        elif is_song_file(text := book_text(path)):
            songs = _clean_songs(parse_songs(text, str(path)), report.dropped)
        else:
            songs = verse.songs(iter(text.split("\n")))
        for song in songs:
            key = same_words_key(song.text)
            if key in seen_songs:
                report.dropped[Reason.COPY] += len(song.lines)
                continue
            seen_songs.add(key)
            report.passages += 1
            report.lines += len(song.lines)
            report.characters += len(song.text)
            report.rhyme_rate += end_rhyme_rate(song.stanzas) * len(song.lines)
            yield song
        done += path.stat().st_size
        advance(0)
    if not report.passages:
        names = ", ".join(path.name for path in files)
        raise CorpusError(f"There is no passage that rhymes like a song in {names}.")


def _clean_songs(songs: Iterable[Song], dropped: Counter[str]) -> Iterator[Song]:
    for song in songs:
        if slurs().isdisjoint(words(song.text)):
            yield song
        else:
            dropped[Reason.SLUR] += len(song.lines)


@dataclass(frozen=True)
class _Run:
    """Lines of verse in a row (stops still at their ends) and where printed stanzas begin."""

    lines: list[str] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)


class _VerseFilter:
    """From raw lines to songs; counts in `dropped` why the other lines are none."""

    def __init__(self, dropped: Counter[str]) -> None:
        self._dropped = dropped
        self._seen_lines: set[str] = set()

    def songs(self, raw_lines: Iterator[str | None]) -> Iterator[Song]:
        """The song-like passages among the lines; None or many blank lines part two poems."""
        for run in self._runs(raw_lines):
            partners = rhyme_partners(run.lines)
            kept = 0
            for start, end in rhyming_spans(partners):
                kept += end - start
                near = [
                    [j - start for j in partners[i] if start <= j < end] for i in range(start, end)
                ]
                inner = [b - start for b in run.breaks if start < b < end]
                stanzas = _stanzas(run.lines[start:end], near, inner)
                for passage in _passages(stanzas):
                    if reason := self._flaw(passage):
                        self._drop(sum(map(len, passage)), reason)
                    else:
                        yield Song(None, None, normalized_text(_text(passage)))
            self._drop(len(run.lines) - kept, Reason.NO_RHYME)

    def _runs(self, raw_lines: Iterator[str | None]) -> Iterator[_Run]:
        run, blank = _Run(), 0
        for raw in raw_lines:
            if raw is not None and not raw.strip():
                blank += 1
                continue
            line = clean_line(raw) if raw is not None else None
            if raw is not None and (line is None or not _can_be_sung(line)):
                self._drop(1, Reason.NOT_VERSE)
                line = None
            if blank and len(run.lines) - (run.breaks or [0])[-1] == 1:
                self._drop(1, Reason.NOT_VERSE)  # a line that stands alone is a title
                run.lines.pop()
                blank = _BLANK_LINES_BETWEEN_POEMS
            if line is None or blank >= _BLANK_LINES_BETWEEN_POEMS:
                yield from self._long_enough(run)
                run = _Run()
            if line is not None:
                if blank and run.lines:
                    run.breaks.append(len(run.lines))
                run.lines.append(line)
            blank = 0
        yield from self._long_enough(run)

    def _long_enough(self, run: _Run) -> Iterator[_Run]:
        if len(run.lines) >= FEWEST_LINES:
            yield run
        else:
            self._drop(len(run.lines), Reason.SHORT)

    def _drop(self, lines: int, reason: str) -> None:
        if lines:
            self._dropped[reason] += lines

    def _flaw(self, passage: list[list[str]]) -> str | None:
        """Why the passage is not kept; None if it is."""
        lines = [line for stanza in passage for line in stanza]
        if len(lines) < FEWEST_LINES:
            return Reason.SHORT
        found = [word for line in lines for word in words(line)]
        allowed, archaic = len(found), archaic_words()
        if not obscene_words().isdisjoint(found):
            return Reason.SLUR
        if sum(not _known(word) for word in found) > MOST_UNKNOWN * allowed:
            return Reason.ENGLISH
        if sum(word in archaic for word in found) > MOST_ARCHAIC * allowed:
            return Reason.ARCHAIC
        if sum(len(_NAME.findall(line)) for line in lines) > MOST_NAMES * allowed:
            return Reason.NAMES
        if end_rhyme_rate(passage) < LEAST_RHYME:
            return Reason.NO_RHYME
        keys = [" ".join(words(line)) for line in lines]
        if sum(key in self._seen_lines for key in keys) > MOST_SEEN_LINES * len(keys):
            return Reason.COPY
        self._seen_lines.update(keys)
        return None


def _can_be_sung(line: str) -> bool:
    found = words(line)
    count = sum(map(syllables, found))
    return FEWEST_SYLLABLES <= count <= MOST_SYLLABLES and bool(last_word(line))


def _stanzas(lines: list[str], partners: list[list[int]], breaks: list[int]) -> list[list[str]]:
    """The lines in their printed stanzas; where none are printed, in those that rhymes tell."""
    stanzas = []
    for start, end in pairwise([0, *breaks, len(lines)]):
        starts = [0]
        if end - start > LONGEST_PRINTED_STANZA or not breaks:
            near = [[j - start for j in partners[i] if start <= j < end] for i in range(start, end)]
            starts = stanza_breaks(lines[start:end], near)
        for first, last in pairwise([*starts, end - start]):
            stanzas.append(lines[start + first : start + last])
    return stanzas


def _passages(stanzas: list[list[str]]) -> Iterator[list[list[str]]]:
    """Stanzas in groups of about equal length, MOST_LINES or little more at most."""
    left = sum(map(len, stanzas))
    passage: list[list[str]] = []
    size = 0
    parts = max(1, -(-left // MOST_LINES))
    for stanza in stanzas:
        if passage and size + len(stanza) / 2 > left / parts:
            yield passage
            left, parts = left - size, max(1, parts - 1)
            passage, size = [], 0
        passage.append(stanza)
        size += len(stanza)
    if passage:
        yield passage


def _text(passage: list[list[str]]) -> str:
    text = "\n\n".join("\n".join(map(without_stop, stanza)) for stanza in passage)
    if not _quotes_pair_up(text):  # cut out of a longer speech
        text = text.replace('"', "")
    if text.count("(") != text.count(")"):
        text = text.replace("(", "").replace(")", "")
    return text


def _quotes_pair_up(text: str) -> bool:
    """Whether every quotation that opens closes before the next one opens."""
    is_open = False
    for match in _QUOTE.finditer(text):
        opens = match.start() == 0 or text[match.start() - 1] in " (\n"
        if opens == is_open:
            return False
        is_open = opens
    return not is_open


@cache
def _known(word: str) -> bool:
    return is_word(word)


@cache
def slurs() -> frozenset[str]:
    """Words that insult people for what they are; the file says more."""
    return _word_list("slurs.txt")


@cache
def archaic_words() -> frozenset[str]:
    """Words that date a text, such as "hath" and "thou"."""
    return _word_list("archaic.txt")


@cache
def obscene_words() -> frozenset[str]:
    """The slurs, and the words of the list that glin-profanity maintains."""
    from glin_profanity.data.dictionary import DictionaryLoader

    return slurs() | frozenset(DictionaryLoader().get_words("english")) - HARMLESS_IN_VERSE


def _word_list(name: str) -> frozenset[str]:
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
