"""Songs as plain text: the format, read section by section, and written.

Songs are separated by a line `===`; a song may start with lines `title: ...` and `genre: ...`.
A file without any of this is one plain text, cut at blank lines into songs of some length. No
file is held whole: what a reader keeps is one block of it and the song that it is in.
"""

import contextlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from model.errors import CorpusError
from model.text_blocks import refuse_control_characters, text_blocks

SEPARATOR = "==="  # the line between two songs
PIECE_LINES = 40  # after these a plain text is cut at a blank line, after twice as many anywhere
LONGEST_SONG = 2**22  # characters

_HEADER = re.compile(r"\s*(title|genre)\s*:(.*)", re.IGNORECASE)
_HEADING = re.compile(r"\s*\[[^\[\]]*\]\s*")  # [Verse 1], [Chorus]
_BLANK_LINES = re.compile(r"\n{3,}")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Song:
    """One song; `text` is as normalized_text() leaves it, headings such as "[Chorus]" included."""

    title: str | None
    genre: str | None  # lower case
    text: str

    @property
    def stanzas(self) -> list[list[str]]:
        """The sung lines, stanza by stanza; a blank line or a heading ends a stanza."""
        stanzas: list[list[str]] = [[]]
        for line in self.text.split("\n"):
            if not line or is_heading(line):
                stanzas.append([])
            else:
                stanzas[-1].append(line)
        return [stanza for stanza in stanzas if stanza]

    @property
    def lines(self) -> list[str]:
        """The sung lines, without headings and blank lines."""
        return [line for stanza in self.stanzas for line in stanza]


class Section(NamedTuple):
    """What stands between two separators of a file, not parsed yet."""

    text: str
    name: str  # of the file, for errors
    line: int  # number of the first line

    def song(self) -> Song:
        """The song that stands here. Raises CorpusError, naming file and line."""
        headers: dict[str, str] = {}
        begin, number, first = 0, self.line, self.line
        while begin < len(self.text):
            end = self.text.find("\n", begin)
            line = self.text[begin : end if end >= 0 else None]
            if line.strip():
                match = _HEADER.fullmatch(line)
                if not match:
                    break
                self._add_header(headers, match[1].lower(), match[2], number)
                first = number if len(headers) == 1 else first
            begin, number = begin + len(line) + 1, number + 1
        text = normalized_text(self.text[begin:])
        if not text:
            raise CorpusError(f"{self.name}, line {first}: this song has no text.")
        genre = headers.get("genre")
        return Song(headers.get("title"), genre.lower() if genre else None, text)

    def _add_header(self, headers: dict[str, str], key: str, value: str, line: int) -> None:
        value = " ".join(unicodedata.normalize("NFC", value).split())
        if not value:
            raise CorpusError(f"{self.name}, line {line}: the {key} is empty.")
        if key in headers:
            raise CorpusError(f"{self.name}, line {line}: a second {key} for one song.")
        headers[key] = value


def is_heading(line: str) -> bool:
    """Whether a line is a heading such as "[Verse 1]" and not sung."""
    return _HEADING.fullmatch(line) is not None


def normalized_text(text: str) -> str:
    r"""Composed characters (NFC), lines ended by "\n" without trailing space, single blank lines.

    Blank lines at both ends go, as do byte order marks; page breaks become spaces.
    """
    text = "\n".join(_normalized_lines(text))
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n")


def parse_songs(text: str, name: str) -> Iterator[Song]:
    """The songs of a text; `name` is what errors call it. Raises CorpusError."""
    text = _with_line_feeds(text)
    refuse_control_characters(text, name, 1)
    for section in _sections([(text, 1)], name):
        yield section.song()


def read_sections(
    path: Path, advance: Callable[[int], None] | None = None
) -> Iterator[Section | Song]:
    """A file's sections with text, in order; of a plain text the songs that it is cut into.

    `advance` hears how many bytes more were read. Raises CorpusError, naming file and line.
    """
    blocks = text_blocks(path, advance)
    if _is_plain(path):
        return (Song(None, None, text) for text in _pieces(_plain_lines(blocks)))
    return _sections(blocks, str(path))


def write_songs(songs: Iterable[Song], path: Path) -> None:
    """Write songs so that reading gives the same ones back; an old file is replaced at the end.

    Raises CorpusError when there are no songs, when one cannot stand in this format (its text is
    empty or not normalized, holds a line `===`, or opens like a header), or on a full disk.
    """
    if path.is_dir():
        raise CorpusError(f"{path} is a folder; name the file to write.")
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            count = 0
            for count, song in enumerate(songs, start=1):
                file.write((f"{SEPARATOR}\n" if count > 1 else "") + _written(song))
        if not count:
            raise CorpusError(f"There are no songs to write to {path}.")
        os.replace(temporary, path)
    except OSError as error:
        raise CorpusError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _normalized_lines(text: str) -> Iterator[str]:
    text = unicodedata.normalize("NFC", text.replace(_BYTE_ORDER_MARK, ""))
    text = _with_line_feeds(text).replace("\v", " ").replace("\f", " ")
    return map(str.rstrip, text.split("\n"))


def _sections(blocks: Iterable[tuple[str, int]], name: str) -> Iterator[Section]:
    """The sections of a text that comes in blocks of whole lines, each with its line number."""
    parts: list[str] = []  # of the section that the last block ended in
    first = 1
    for block, line in blocks:
        begin = 0
        for end, after in _separators(block):
            yield from _section([*parts, block[begin:end]], name, first)
            line += block.count("\n", begin, after)
            parts, begin, first = [], after, line
        parts.append(block[begin:])
        if sum(map(len, parts)) > LONGEST_SONG:
            raise _too_long(name, first)
    yield from _section(parts, name, first)


def _section(parts: list[str], name: str, line: int) -> Iterator[Section]:
    text = "".join(parts)
    if len(text) > LONGEST_SONG:
        raise _too_long(name, line)
    if _has_text(text):
        yield Section(text, name, line)


def _has_text(lines: str) -> bool:
    return bool(lines.replace(_BYTE_ORDER_MARK, "").strip())


def _too_long(name: str, line: int) -> CorpusError:
    return CorpusError(
        f"{name}, line {line}: here begins a song of more than {LONGEST_SONG:,} characters; "
        f"separate songs by a line {SEPARATOR}."
    )


def _separators(text: str) -> Iterator[tuple[int, int]]:
    """Where each separating line begins and where the line behind it does."""
    found = text.find(SEPARATOR)
    while found >= 0:
        begin = text.rfind("\n", 0, found) + 1
        after = text.find("\n", found) + 1 or len(text)
        if text[begin:after].strip() == SEPARATOR:
            yield begin, after
        found = text.find(SEPARATOR, after)


def _between_separators(text: str) -> Iterator[tuple[int, int]]:
    """Where each run of lines between separators begins and ends."""
    begin = 0
    for end, after in _separators(text):
        yield begin, end
        begin = after
    yield begin, len(text)


def _is_plain(path: Path) -> bool:
    """Whether a file is one text: no headers, and no separator between two texts."""
    texts = 0
    before_text, empty = True, True  # of the section
    for block, _ in text_blocks(path):
        for begin, end in _between_separators(block):
            if begin:
                before_text, empty = True, True
            part = block[begin:end]
            if before_text:
                line = next((line for line in part.split("\n") if line.strip()), "")
                if _HEADER.fullmatch(line):
                    return False
                before_text = not line
            if empty and _has_text(part):
                texts, empty = texts + 1, False
            if texts > 1:
                return False
    return True


def _plain_lines(blocks: Iterable[tuple[str, int]]) -> Iterator[str]:
    """The lines of a plain text, normalized: single blank lines, none at its ends."""
    begun, blank = False, False
    for block, _ in blocks:
        lines = "".join(block[begin:end] for begin, end in _between_separators(block))
        for line in _normalized_lines(lines.removesuffix("\n")):
            if not line:
                blank = begun
                continue
            if blank:
                yield ""
            yield line
            begun, blank = True, False


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    """The songs that a plain text is cut into; a short one stays whole."""
    head: list[str] = []
    while len(head) <= 2 * PIECE_LINES and sum(map(len, head)) <= LONGEST_SONG:
        line = next(lines, None)
        if line is None:
            if head:
                yield "\n".join(head)
            return
        head.append(line)
    piece: list[str] = []
    characters = 0
    for line in chain(head, lines):
        most = PIECE_LINES if not line else 2 * PIECE_LINES
        if len(piece) >= most or characters + len(line) > LONGEST_SONG:
            yield "\n".join(piece).strip("\n")
            piece, characters = [], 0
        piece.append(line)
        characters += len(line) + 1
    yield "\n".join(piece).strip("\n")


def _written(song: Song) -> str:
    """The song in the corpus format, checked to read as the same song again."""
    headers = [
        f"{key}: {value}\n"
        for key, value in (("title", song.title), ("genre", song.genre))
        if value is not None
    ]
    written = "".join(headers) + ("\n" if headers else "") + song.text + "\n"
    first_line = song.text.partition("\n")[0]
    if not song.text:
        raise CorpusError(f"A song needs a text, and {song.title!r} has none.")
    if _HEADER.fullmatch(first_line):
        raise CorpusError(f"A song cannot open with the line {first_line!r}: it reads as a header.")
    if any(line.strip() == SEPARATOR for line in song.text.split("\n")):
        raise CorpusError(f"A song cannot hold a line {SEPARATOR!r}: it separates songs.")
    # utf-8 cannot hold half a surrogate pair, which Python's strings can
    encodable = written.encode("utf-8", "replace").decode() == written
    if not encodable or list(parse_songs(written, "song")) != [song]:
        raise CorpusError(f"This song is not in the normalized form: {first_line[:60]!r}.")
    return written
