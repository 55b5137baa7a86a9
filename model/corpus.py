"""The corpus: songs in text files, of any size, to be gone through one at a time.

What is kept of each song is a few bytes: its part of the data, its length, whether it is a copy.
A corpus of up to SMALL_CORPUS bytes stays in memory; a larger one is read from its files again
whenever someone goes through it. Which part a song belongs to is decided by a hash of its words,
never by its position.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, islice
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from model.errors import CorpusError
from model.song_format import (
    LONGEST_SONG,
    SEPARATOR,
    Section,
    Song,
    is_heading,
    normalized_text,
    parse_songs,
    read_sections,
    write_songs,
)
from model.text_blocks import file_state, read_bytes

__all__ = [  # with what stands here, all that others need to handle songs
    "LONGEST_SONG",
    "SEPARATOR",
    "Song",
    "is_heading",
    "normalized_text",
    "parse_songs",
    "read_bytes",
    "write_songs",
]

Part = Literal["test", "validation", "train"]
Report = Callable[[int, int], None]  # hears what is done, and of how much

VALIDATION_SHARE = 0.05  # of the songs, by hash
TEST_SHARE = 0.05
SMALL_CORPUS = 2**26  # bytes of text that are kept in memory
VALIDATION_CHARACTERS = 100_000  # a larger validation part is sampled, to keep it short
VOCABULARY_CHARACTERS = 200_000_000  # a larger corpus is sampled to learn a vocabulary from

_PARTS: tuple[Part, ...] = get_args(Part)
_NO_PART = len(_PARTS)  # of a copy
_PACKED_FORMS = {".gz", ".ndjson", ".jsonl", ".json"}
_ASCII_WORDS = bytes(  # what is no letter or figure becomes a space; UTF-8 beyond ASCII stays
    byte if byte > 0x7F or chr(byte).isalnum() else ord(" ") for byte in range(256)
)


class Songs:
    """Some songs of a corpus, in order, to be gone through as often as one likes."""

    def __init__(
        self,
        source: Iterable[Song | Section],
        lengths: npt.NDArray[np.uint32],
        chosen: npt.NDArray[np.bool_],
    ) -> None:
        """Those of `source` that are `chosen`; `lengths` are the characters of their texts."""
        self._source = source
        self._lengths = lengths
        self._chosen = chosen
        self._count = int(np.count_nonzero(chosen))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Song]:
        """One song after another. Raises CorpusError when a file has changed meanwhile."""
        if not self:
            return
        end = self._chosen.size - int(np.argmax(self._chosen[::-1]))  # nothing behind it is read
        for item in compress(self._source, self._chosen[:end].tobytes()):
            yield _song(item)

    def __getitem__(self, part: slice) -> tuple[Song, ...]:
        """Songs by their position, which must not be counted from the end."""
        return tuple(islice(self, part.start, part.stop, part.step))

    @property
    def characters(self) -> int:
        """How long the songs are together."""
        return int(self._lengths[self._chosen].sum(dtype=np.int64))

    def at_most(self, characters: int) -> "Songs":
        """The first of the songs, and of the others those that still fit, in their order."""
        taken: list[int] = []
        left = characters
        for position in np.flatnonzero(self._chosen).tolist():
            length = int(self._lengths[position])
            if length <= left or not taken:
                taken.append(position)
                left -= length
        return self._only(np.array(taken, np.int64))

    def spread(self, characters: int) -> "Songs":
        """About so many characters of songs, taken evenly from beginning to end; or all."""
        if self.characters <= characters:
            return self
        count = max(1, len(self) * characters // self.characters)
        return self._only(np.flatnonzero(self._chosen)[np.arange(count) * len(self) // count])

    def _only(self, positions: npt.NDArray[np.int64]) -> "Songs":
        chosen = np.zeros(self._chosen.size, bool)
        chosen[positions] = True
        return Songs(self._source, self._lengths, chosen)


class Corpus(Songs):
    """Different songs, in the order they were read, each in one part of the data."""

    duplicates: int  # songs dropped because an earlier one has the same words
    genres: tuple[str, ...]  # those that occur, sorted
    fingerprint: str  # of all songs in their order: that of another corpus differs

    def __init__(
        self, source: "Sequence[Song] | SongFiles", progress: Report | None = None
    ) -> None:
        """Go through all songs once; `progress` hears how many bytes of files have been read.

        Raises CorpusError, naming file and line, for what is malformed.
        """
        digests, lengths, genres = array("Q"), array("I"), array("I")
        genre_numbers: dict[str | None, int] = {}
        content = hashlib.blake2b(digest_size=16)
        for item in source.read(progress) if isinstance(source, SongFiles) else source:
            song = _song(item)
            digests.append(_digest(song.text))
            lengths.append(len(song.text))
            genres.append(genre_numbers.setdefault(song.genre, len(genre_numbers)))
            fields = (song.title or "", song.genre or "", song.text, "")
            content.update("\0".join(fields).encode("utf-8", "replace"))
        copies = _later_copies(np.frombuffer(digests, np.uint64))
        self._parts = _part_numbers(np.frombuffer(digests, np.uint64))
        self._parts[copies] = _NO_PART
        super().__init__(source, np.frombuffer(lengths, np.uint32), ~copies)
        occurring = set(np.unique(np.frombuffer(genres, np.uint32)[self._chosen]).tolist())
        self.genres = tuple(sorted(g for g, n in genre_numbers.items() if g and n in occurring))
        self.duplicates = int(np.count_nonzero(copies))
        self.fingerprint = content.hexdigest()

    def part(self, name: Part) -> Songs:
        """The songs of one part. Of a small corpus (some 60 songs or fewer) a part may be empty."""
        return Songs(self._source, self._lengths, self._parts == _PARTS.index(name))


class SongFiles:
    """What stands in some files, to be read as often as one likes."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Raises CorpusError for a file that is missing or cannot be read."""
        self._states = {path: file_state(path) for path in paths}
        self.size = sum(size for size, _ in self._states.values())  # bytes

    def __iter__(self) -> Iterator[Song | Section]:
        return self.read(None)

    def read(self, progress: Report | None) -> Iterator[Song | Section]:
        """Song after song; `progress` hears the bytes read and the bytes in all.

        Raises CorpusError when a file is malformed, or not as it was when this object was made.
        """
        done = 0

        def advance(read: int) -> None:
            nonlocal done
            done += read
            if progress is not None:
                progress(done, self.size)

        for path, state in self._states.items():
            self._refuse_changes(path, state)
            yield from read_sections(path, advance)
            self._refuse_changes(path, state)

    def _refuse_changes(self, path: Path, state: tuple[int, int]) -> None:
        if file_state(path) != state:
            raise CorpusError(f"{path} has changed while it was in use; start again.")


def read_corpus(*sources: Path, progress: Report | None = None) -> Corpus:
    """Read files and folders (recursively, sorted by name); a file reached twice is read once.

    `progress` hears how many bytes have been read, and how many there are. Raises CorpusError,
    naming file and line, for what is missing, empty or malformed.
    """
    files = SongFiles(_files(sources))
    if files.size <= SMALL_CORPUS:
        corpus = Corpus([_song(item) for item in files.read(progress)])
    else:
        corpus = Corpus(files, progress)
    if not corpus:
        names = ", ".join(str(source) for source in sources)
        raise CorpusError(f"There is no text to learn from in {names or 'no files at all'}.")
    return corpus


def validation_songs(corpus: Corpus) -> list[Song]:
    """The validation songs, or as many as fit; of a tiny corpus the test, then all songs."""
    songs = corpus.part("validation") or corpus.part("test") or corpus
    return list(songs.at_most(VALIDATION_CHARACTERS))


def vocabulary_texts(songs: Songs) -> Iterator[str]:
    """Texts, titles and genres to learn a vocabulary from, of a sample where there are many."""
    for song in songs.spread(VOCABULARY_CHARACTERS):
        yield from filter(None, (song.text, song.title, song.genre))


def split(song: Song) -> Part:
    """The part that a song belongs to: the same for every copy of its words, wherever it stands."""
    return _PARTS[int(_part_numbers(np.array([_digest(song.text)], np.uint64))[0])]


def same_words_key(text: str) -> str:
    """What two copies of a song share: its words, without case, punctuation, layout, headings."""
    if "[" in text:
        sung = "\n".join(line for line in text.split("\n") if not is_heading(line))
        text = sung or text
    text = text.casefold()
    if not text.isascii():
        for character in set(text):
            if not character.isascii() and not character.isalnum():
                text = text.replace(character, " ")
    words = text.encode().translate(_ASCII_WORDS)
    while b"  " in words:
        words = words.replace(b"  ", b" ")
    return words.strip().decode()


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


def _song(item: Song | Section) -> Song:
    return item if isinstance(item, Song) else item.song()


def _digest(text: str) -> int:
    """64 bits that all copies of a text share."""
    key = same_words_key(text).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")


def _part_numbers(digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Where in _PARTS the part of each song stands."""
    places = digests / 2.0**64  # uniform in [0, 1)
    ends = (TEST_SHARE, TEST_SHARE + VALIDATION_SHARE)
    return np.searchsorted(ends, places, side="right").astype(np.uint8)


def _later_copies(digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which songs have the digest of an earlier one."""
    order = np.argsort(digests, kind="stable")
    in_order = digests[order]
    copies = np.zeros(digests.size, bool)
    copies[order[1:][in_order[1:] == in_order[:-1]]] = True
    return copies
