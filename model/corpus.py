"""The corpus: songs with titles, genres and stanzas, read from and written to plain text files.

A corpus is one or more .txt files, or folders of them, in UTF-8. Songs are separated by a line
`===`; a song may start with lines `title: ...` and `genre: ...`. A plain text without any of this
is cut at blank lines into songs of some length. Which part of the data a song belongs to is
decided by a hash of its words, never by its position.
"""

import contextlib
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.errors import CorpusError

Part = Literal["train", "validation", "test"]

SEPARATOR = "==="  # the line between two songs
VALIDATION_SHARE = 0.05  # of the songs, by hash
TEST_SHARE = 0.05
PIECE_LINES = 40  # after these a plain text is cut at a blank line, after twice as many anywhere

_HEADER = re.compile(r"\s*(title|genre)\s*:\s*(.*?)\s*", re.IGNORECASE)
_HEADING = re.compile(r"\s*\[[^\[\]]*\]\s*")  # [Verse 1], [Chorus]
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_NOT_A_WORD = re.compile(r"[\W_]+")
_PACKED_FORMS = {".gz", ".ndjson", ".jsonl", ".json"}


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


@dataclass(frozen=True)
class Corpus:
    """Different songs, in the order they were read."""

    songs: tuple[Song, ...]
    duplicates: int  # songs dropped because an earlier one has the same words

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that occur, sorted."""
        return tuple(sorted({song.genre for song in self.songs if song.genre is not None}))

    def part(self, name: Part) -> tuple[Song, ...]:
        """The songs of one part. Of a small corpus (some 60 songs or fewer) a part may be empty."""
        return tuple(song for song in self.songs if split(song) == name)


def read_corpus(*sources: Path) -> Corpus:
    """Read files and folders (recursively, sorted by name); a file reached twice is read once.

    Raises CorpusError, naming file and line, for what is missing, empty or malformed.
    """
    songs: list[Song] = []
    seen: set[bytes] = set()
    duplicates = 0
    for path in _files(sources):
        for song in _songs_of_file(path):
            digest = _digest(song)
            if digest in seen:
                duplicates += 1
                continue
            seen.add(digest)
            songs.append(song)
    if not songs:
        names = ", ".join(str(source) for source in sources)
        raise CorpusError(f"There is no text to learn from in {names or 'no files at all'}.")
    return Corpus(tuple(songs), duplicates)


def _songs_of_file(path: Path) -> list[Song]:
    """The songs of a file; a long one without separators and headers is cut into several."""
    songs = list(parse_songs(read_text(path), str(path)))
    if len(songs) != 1 or songs[0].title or songs[0].genre:
        return songs
    lines = songs[0].text.split("\n")
    if len(lines) <= 2 * PIECE_LINES:
        return songs
    pieces: list[list[str]] = [[]]
    for line in lines:
        if len(pieces[-1]) >= (PIECE_LINES if not line else 2 * PIECE_LINES):
            pieces.append([])
        pieces[-1].append(line)
    texts = [normalized_text("\n".join(piece)) for piece in pieces]
    return [Song(None, None, text) for text in texts if text]


def split(song: Song) -> Part:
    """The part that a song belongs to: the same for every copy of its words, wherever it stands."""
    place = int.from_bytes(_digest(song)[:8], "big") / 2**64  # uniform in [0, 1)
    if place < TEST_SHARE:
        return "test"
    if place < TEST_SHARE + VALIDATION_SHARE:
        return "validation"
    return "train"


def same_words_key(text: str) -> str:
    """What two copies of a song share: its words, without case, punctuation, layout, headings."""
    sung = "\n".join(line for line in text.split("\n") if not is_heading(line))
    return _NOT_A_WORD.sub(" ", (sung or text).casefold()).strip()


def is_heading(line: str) -> bool:
    """Whether a line is a heading such as "[Verse 1]" and not sung."""
    return _HEADING.fullmatch(line) is not None


def normalized_text(text: str) -> str:
    r"""Composed characters (NFC), lines ended by "\n" without trailing space, single blank lines.

    Blank lines at both ends go, as do byte order marks; page breaks become spaces.
    """
    text = unicodedata.normalize("NFC", text.replace("\ufeff", ""))
    text = _LINE_BREAK.sub("\n", text).replace("\v", " ").replace("\f", " ")
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def parse_songs(text: str, name: str) -> Iterator[Song]:
    """The songs of one file's text; `name` is what errors call the file. Raises CorpusError."""
    lines = _LINE_BREAK.split(text)
    start = 0
    for number, line in enumerate(lines):
        if _CONTROL.search(line):
            raise CorpusError(
                f"{name}, line {number + 1}: there is a control character; is this a text file?"
            )
        if line.strip() == SEPARATOR:
            yield from _parse_song(lines[start:number], name, start)
            start = number + 1
    yield from _parse_song(lines[start:], name, start)


def read_text(path: Path) -> str:
    """A file's text, which must be UTF-8. Raises CorpusError naming the first line that is not."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from after the mark, which holds no line break
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise CorpusError(
            f"{path}, line {line}: this is not UTF-8; save the file as UTF-8 text."
        ) from error


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises CorpusError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist.") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error


def text_files(folder: Path) -> list[Path]:
    """The .txt files below a folder, sorted, hidden ones left out. Raises CorpusError if none."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == ".txt" and not path.name.startswith(".") and path.is_file()
    ]
    if not files:
        raise CorpusError(f"There is no .txt file in the folder {folder}.")
    return files


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


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for source in sources:
        if source.suffix.lower() in _PACKED_FORMS and not source.is_dir():
            raise CorpusError(
                f"{source} is not a .txt file; turn it into one with `python -m model prepare`."
            )
        for path in text_files(source) if source.is_dir() else [source]:
            resolved = path.resolve()
            if resolved not in seen:
                seen.add(resolved)
                yield path


def _parse_song(lines: list[str], name: str, before: int) -> Iterator[Song]:
    """The song of the lines between two separators, if any; `before` lines stand above them."""
    headers: dict[str, str] = {}
    body = 0
    for body, line in enumerate(lines):
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line)
        if not match:
            break
        key, value = match[1].lower(), " ".join(unicodedata.normalize("NFC", match[2]).split())
        if not value:
            raise CorpusError(f"{name}, line {before + body + 1}: the {key} is empty.")
        if key in headers:
            raise CorpusError(f"{name}, line {before + body + 1}: a second {key} for one song.")
        headers[key] = value
    else:
        if headers:
            first = next(i for i, line in enumerate(lines) if line.strip())
            raise CorpusError(f"{name}, line {before + first + 1}: this song has no text.")
        return
    text = normalized_text("\n".join(lines[body:]))
    if text:
        genre = headers.get("genre")
        yield Song(headers.get("title"), genre.lower() if genre else None, text)


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


def _digest(song: Song) -> bytes:
    return hashlib.sha256(same_words_key(song.text).encode("utf-8", "replace")).digest()
