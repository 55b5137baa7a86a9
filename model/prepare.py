"""Making a corpus of song-like verse: what `python -m model prepare` does.

Old books are mostly not songs. Kept are passages of short lines that rhyme (see stanzas.py), in
English words of today, without slurs, each once. Songs that are already in the corpus format are
kept with all their lines, but for slurs and copies. The result depends on nothing but the sources.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from model.corpus import Song, normalized_text, parse_songs, text_files, write_songs
from model.errors import CorpusError
from model.near_copies import SHINGLE_WORDS, SeenText
from model.passage_flaws import FEWEST_LINES, Reason, flaw, slurs
from model.raw_verse import (
    book_text,
    clean_line,
    is_page_mark,
    is_poetry_corpus,
    is_song_file,
    plain_marks,
    poetry_lines,
    without_stop,
)
from model.rhyme import end_rhyme_rate, syllables, words
from model.stanzas import rhyme_partners, rhyming_spans, stanza_breaks, whole_stanzas

FEWEST_SYLLABLES = 3  # of a line
MOST_SYLLABLES = 13
MOST_LINES = 40  # a longer passage is cut between stanzas
LONGEST_PRINTED_STANZA = 16  # a longer one is cut where its rhymes allow
MOST_SEEN = 0.4  # share of runs of five words that stand in earlier passages
MOST_LEFT_OUT = 0.2  # the same for text that is to be left out: none of it may slip in

_QUOTE = re.compile('"')
_BLANK_LINES_BETWEEN_POEMS = 3
_WORDS_AT_ONCE = 10_000  # of what is left out: so much of it is held at a time


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


def prepare(
    sources: Sequence[Path],
    out: Path,
    *,
    leave_out: Sequence[Path] = (),
    console: Console | None = None,
) -> PrepareReport:
    """Read sources (files or folders of them), write the corpus `out`, and say what was kept.

    Nothing is kept that repeats the text of `leave_out` (files or folders too). Shows a progress
    bar on `console` (default: standard error). Raises CorpusError.
    """
    files, unwanted = _files(sources), _files(leave_out)
    report = PrepareReport()
    with Progress(console=console or Console(stderr=True), transient=True) as progress:
        left_out = _text_of(unwanted, progress) if unwanted else None
        write_songs(_kept_songs(files, left_out, report, progress), out)
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


def _text_of(files: Sequence[Path], progress: Progress) -> SeenText:
    """All that the files say, verse or not, spelled as passages are."""
    text = SeenText()
    for path, advance in _in_turn(files, progress):
        if is_poetry_corpus(path):
            raw_lines = poetry_lines(path, advance)
        else:
            raw_lines = iter(book_text(path).split("\n"))
        recent: list[str] = []
        for raw in raw_lines:
            recent += words(clean_line(raw) or raw) if raw is not None else []
            if len(recent) > _WORDS_AT_ONCE:
                text.add(recent)
                recent = recent[1 - SHINGLE_WORDS :]
        text.add(recent)
    return text


def _in_turn(
    files: Sequence[Path], progress: Progress
) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """Each file, and what to tell how many of its bytes have been read."""
    task = progress.add_task("reading", total=sum(path.stat().st_size for path in files))
    done = 0
    for path in files:
        progress.update(task, description=path.name, completed=done)
        yield path, partial(_advance, progress, task, done)
        done += path.stat().st_size
    progress.update(task, completed=done)


def _advance(progress: Progress, task: TaskID, before: int, position: int) -> None:
    progress.update(task, completed=before + position)


def _kept_songs(
    files: Sequence[Path], left_out: SeenText | None, report: PrepareReport, progress: Progress
) -> Iterator[Song]:
    kept = SeenText()
    verse = _VerseFilter(report.dropped)
    for path, advance in _in_turn(files, progress):
        if is_poetry_corpus(path):
            songs = verse.songs(poetry_lines(path, advance))
        elif is_song_file(text := book_text(path)):
            songs = _clean_songs(parse_songs(text, str(path)), report.dropped)
        else:
            songs = verse.songs(iter(text.split("\n")))
        for song in songs:
            found = [word for line in song.lines or [song.text] for word in words(line)]
            if left_out and left_out.share(found) > MOST_LEFT_OUT:
                report.dropped[Reason.LEFT_OUT] += len(song.lines)
                continue
            if kept.share(found) > MOST_SEEN:
                report.dropped[Reason.COPY] += len(song.lines)
                continue
            kept.add(found)
            report.passages += 1
            report.lines += len(song.lines)
            report.characters += len(song.text)
            report.rhyme_rate += end_rhyme_rate(song.stanzas) * len(song.lines)
            yield song
    if not report.passages:
        names = ", ".join(path.name for path in files)
        raise CorpusError(f"There is no passage that rhymes like a song in {names}.")


def _clean_songs(songs: Iterable[Song], dropped: Counter[str]) -> Iterator[Song]:
    for song in songs:
        if slurs().isdisjoint(words(song.text)):
            yield replace(song, text=normalized_text(plain_marks(song.text)) or song.text)
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

    def songs(self, raw_lines: Iterator[str | None]) -> Iterator[Song]:
        """The song-like passages among the lines; None or many blank lines part two poems."""
        for run in self._runs(raw_lines):
            partners = rhyme_partners(run.lines)
            kept = 0
            for start, end in whole_stanzas(rhyming_spans(partners), run.breaks, len(partners)):
                kept += end - start
                near = [
                    [j - start for j in partners[i] if start <= j < end] for i in range(start, end)
                ]
                inner = [b - start for b in run.breaks if start < b < end]
                stanzas = _stanzas(run.lines[start:end], near, inner)
                for passage in _passages(stanzas):
                    if reason := flaw(passage):
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
            if raw is not None and is_page_mark(raw):
                self._drop(1, Reason.NOT_VERSE)
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


def _can_be_sung(line: str) -> bool:
    return FEWEST_SYLLABLES <= sum(map(syllables, words(line))) <= MOST_SYLLABLES


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
