"""Streams of tokens to train on, from a file that need not fit in memory.

Training songs are encoded once into a file of ids, which is mapped into memory; an index says
where each song and its parts stand. An epoch is an order of the songs and, for each, whether its
genre, title and heading are shown: a few bytes a song. The ids themselves are read in pieces,
just ahead of the segments that are cut from them for truncated back-propagation.
"""

import contextlib
import hashlib
import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from model.corpus import Corpus, Report, Song, Songs
from model.errors import CorpusError, ModelError
from model.frame import split_heading
from model.network import Ids
from model.tokenizer import END, GENRE, START, TEXT, TITLE, CharacterTokenizer, Tokenizer
from model.weights import write_file

KEEP_GENRE = 0.9  # probability with which a training song shows its genre
KEEP_TITLE = 0.7
KEEP_HEADING = 0.5  # of a heading on the first line, so that a seed can open a song

TOKENS = "tokens.bin"  # ids of one song after another
INDEX = "tokens.index"  # one Entry a song
ABOUT = "tokens.json"  # what songs they are, and the type of the ids; written last
LAYOUT = 1  # to be raised when the files' form changes
ENCODED_AT_ONCE = 2**20  # characters
READ_AHEAD = 2**16  # tokens of all columns together
SONGS_AT_ONCE = 2**16  # of which an epoch's lengths are worked out
RELEASE_AFTER = 8  # pieces read; then the system may take the mapped pages back

# A song's ids in TOKENS: START, genre, title, TEXT, heading, text, END. The lengths are counted
# without START, TEXT and END; genre and title, where there are any, begin with their marks.
Entry = np.dtype(
    [
        (name, "<u8" if name == "offset" else "<u4")
        for name in ("offset", "genre", "title", "heading", "text")
    ]
)
Numbers = npt.NDArray[np.int64]
# From texts to their ids, one text's behind the other's, and how many each has.
Encode = Callable[[Sequence[str]], tuple[Numbers, Numbers]]


class TokenStream(Protocol):
    """Epoch after epoch of ids, as columns that go on from segment to segment."""

    @property
    def tokens(self) -> int:
        """The ids of the first epoch: tells one corpus from another."""

    def length(self, epoch: int) -> int:
        """The ids of an epoch."""

    def segments(
        self, epoch: int, batch: int, steps: int, first: int = 0
    ) -> Iterator[tuple[Ids, Ids]]:
        """(inputs, targets), each (T, B) int32, from segment number `first` on.

        Column b goes on, segment after segment, where it stopped, so that state can be carried;
        the last segment may be shorter. A few ids at the end that fill no row are left out. The
        arrays are views that must not be written to.
        """


@dataclass(frozen=True)
class TokenFile:
    """Songs as ids: what write_tokens() leaves in a folder, mapped into memory."""

    ids: np.memmap  # (N,) unsigned integers of 8, 16 or 32 bits, as the vocabulary needs
    index: np.memmap  # (songs,) Entry

    def release(self) -> None:
        """Let go of the pages of `ids` that were read; the system still caches the file."""
        if isinstance(self.ids.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.ids.base.madvise(mmap.MADV_DONTNEED)


def training_tokens(
    corpus: Corpus, tokenizer: Tokenizer, folder: Path, progress: Report | None = None
) -> TokenFile:
    """The training songs as ids: those in `folder` if they are of this corpus, else written anew.

    Of a corpus too small to have training songs all are taken. `progress` hears how many songs
    have been encoded, and how many there are. Raises ModelError when the files cannot be written.
    """
    wanted = hashlib.blake2b(tokenizer.to_json().encode(), digest_size=16)
    wanted.update(f"{corpus.fingerprint} {LAYOUT}".encode())
    found = open_tokens(folder, wanted.hexdigest())
    if found is not None:
        return found
    songs = corpus.part("train") or corpus
    return write_tokens(songs, tokenizer, folder, wanted.hexdigest(), progress)


def open_tokens(folder: Path, fingerprint: str) -> TokenFile | None:
    """What is in a folder; None if there are no such files, or of other songs, or damaged ones."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if about["fingerprint"] != fingerprint:
            return None
        ids = np.memmap(folder / TOKENS, np.dtype(about["type"]), "r")
        index = np.memmap(folder / INDEX, Entry, "r")
        whole = (ids.size, index.size) == (about["tokens"], about["songs"])
        return TokenFile(ids, index) if whole else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_tokens(
    songs: Songs,
    tokenizer: Tokenizer,
    folder: Path,
    fingerprint: str,
    progress: Report | None = None,
) -> TokenFile:
    """Encode songs into files in `folder`, which open_tokens() finds by the fingerprint.

    Raises ModelError, and leaves no half-written file, when they cannot be written; CorpusError
    when there are no songs.
    """
    if not songs:
        raise CorpusError("There are no songs to learn from.")
    kind = np.min_scalar_type(tokenizer.vocabulary_size - 1)
    encode = _encoder(tokenizer)
    tokens, done = 0, 0
    try:
        with _new_file(folder / TOKENS) as ids_file, _new_file(folder / INDEX) as index_file:
            for batch in _batches(songs):
                ids, index = _encoded(batch, encode)
                index["offset"] += tokens
                ids_file.write(ids.astype(kind).tobytes())
                index_file.write(index.tobytes())
                tokens, done = tokens + ids.size, done + len(batch)
                if progress is not None:
                    progress(done, len(songs))
            (folder / ABOUT).unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{folder / TOKENS} cannot be written: {error.strerror}.") from error
    about = {"fingerprint": fingerprint, "type": kind.str, "tokens": tokens, "songs": done}
    try:
        write_file(folder / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    except ModelError:
        remove_tokens(folder)
        raise
    written = open_tokens(folder, fingerprint)
    assert written is not None
    return written


def remove_tokens(folder: Path) -> None:
    """Delete what write_tokens() made, if it is there."""
    for name in (ABOUT, INDEX, TOKENS):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


class SongStream:
    """Training songs as one long row of ids, in another order and framing each epoch."""

    def __init__(self, tokens: TokenFile, random_seed: int) -> None:
        """Every epoch is a function of the random seed and the epoch's number alone."""
        self._file = tokens
        self._ids, self._index = np.asarray(tokens.ids), np.asarray(tokens.index)
        self._random_seed = random_seed
        self._epoch = self._laid_out(0)
        self.tokens = self._epoch.length

    def length(self, epoch: int) -> int:
        return self._laid_out_once(epoch).length

    def segments(
        self, epoch: int, batch: int, steps: int, first: int = 0
    ) -> Iterator[tuple[Ids, Ids]]:
        laid_out = self._laid_out_once(epoch)
        pieces = 0

        def read(starts: Numbers, count: int) -> Ids:
            nonlocal pieces
            pieces += 1
            if pieces % RELEASE_AFTER == 0:
                self._file.release()
            return self._read(laid_out, starts, count)

        return _segments(read, laid_out.length, batch, steps, first)

    def _laid_out_once(self, epoch: int) -> "_Epoch":
        if self._epoch.number != epoch:
            self._epoch = self._laid_out(epoch)
        return self._epoch

    def _laid_out(self, number: int) -> "_Epoch":
        rng = np.random.default_rng([self._random_seed, number])
        songs = self._index.size
        order = rng.permutation(songs).astype(np.uint32)
        keep = np.zeros((songs, 3), bool)
        starts = np.zeros(songs + 1, np.int64)
        for begin in range(0, songs, SONGS_AT_ONCE):
            part = slice(begin, begin + SONGS_AT_ONCE)
            chances = rng.random(keep[part].shape)
            keep[part] = chances < (KEEP_GENRE, KEEP_TITLE, KEEP_HEADING)
            shown = _shown_lengths(self._index[order[part]], keep[part])
            starts[1:][part] = shown.sum(axis=1)
        return _Epoch(number, order, keep, np.cumsum(starts, out=starts))

    def _read(self, epoch: "_Epoch", starts: Numbers, count: int) -> Ids:
        """`count` ids of the epoch from each of `starts` (B,) on: (count, B)."""
        # the songs that each column passes through; `place` is where they stand in the epoch
        first = np.searchsorted(epoch.starts, starts, "right") - 1
        songs = np.searchsorted(epoch.starts, starts + count, "left") - first
        column = np.repeat(np.arange(starts.size), songs)
        place = np.arange(column.size) + np.repeat(first - (np.cumsum(songs) - songs), songs)
        entries = self._index[epoch.order[place]]
        # four spans of each song: where they begin in the file and in the epoch, (songs, 4)
        lengths = _shown_lengths(entries, epoch.keep[place])
        in_file = _span_begins(entries)
        ends = epoch.starts[place][:, None] + np.cumsum(lengths, axis=1)
        low = np.maximum(ends - lengths, starts[column][:, None])
        high = np.minimum(ends, (starts + count)[column][:, None])
        in_file += low - (ends - lengths)
        taken = np.maximum(high - low, 0).reshape(-1)
        before = np.cumsum(taken) - taken
        where = np.arange(starts.size * count) + np.repeat(in_file.reshape(-1) - before, taken)
        ids = self._ids[where].reshape(starts.size, count)
        return np.ascontiguousarray(ids.T, np.int32)


@dataclass(frozen=True)
class _Epoch:
    """How an epoch goes through S songs."""

    number: int
    order: npt.NDArray[np.uint32]  # (S,)
    keep: npt.NDArray[np.bool_]  # (S, 3): whether genre, title and heading are shown, in that order
    starts: Numbers  # (S + 1,) where each song begins; the last is the epoch's length

    @property
    def length(self) -> int:
        return int(self.starts[-1])


class PlainStream:
    """One long text without songs; each epoch begins at another place in it and wraps round."""

    def __init__(self, ids: npt.NDArray[np.integer], random_seed: int) -> None:
        """`ids` (N,) may be mapped from a file; where an epoch begins depends on the seed."""
        self._ids = np.asarray(ids)
        self._random_seed = random_seed
        self.tokens = len(ids)

    def length(self, epoch: int) -> int:
        return len(self._ids)

    def segments(
        self, epoch: int, batch: int, steps: int, first: int = 0
    ) -> Iterator[tuple[Ids, Ids]]:
        begin = np.random.default_rng([self._random_seed, epoch]).integers(len(self._ids))

        def read(starts: Numbers, count: int) -> Ids:
            where = (begin + starts + np.arange(count)[:, None]) % len(self._ids)
            ids: Ids = self._ids[where].astype(np.int32)
            return ids

        return _segments(read, len(self._ids), batch, steps, first)


def _segments(
    read: Callable[[Numbers, int], Ids], length: int, batch: int, steps: int, first: int
) -> Iterator[tuple[Ids, Ids]]:
    """Cut `length` ids, of which `read` gives (count, B) at B places, into segments."""
    rows = (length - 1) // batch
    columns = np.arange(batch) * rows
    ahead = max(1, READ_AHEAD // (batch * steps)) * steps
    for row in range(first * steps, rows, ahead):
        count = min(ahead, rows - row)
        ids = read(columns + row, count + 1)
        for begin in range(0, count, steps):
            end = min(begin + steps, count)
            yield ids[begin:end], ids[begin + 1 : end + 1]


def _shown_lengths(entries: np.ndarray, keep: npt.NDArray[np.bool_]) -> Numbers:
    """Ids of START and genre, of the title, of TEXT and heading, of text and END: (S, 4)."""
    lengths = np.ones((len(entries), 4), np.int64)
    lengths[:, 0] += entries["genre"] * keep[:, 0]
    lengths[:, 1] = entries["title"] * keep[:, 1]
    lengths[:, 2] += entries["heading"] * keep[:, 2]
    lengths[:, 3] += entries["text"]
    return lengths


def _span_begins(entries: np.ndarray) -> Numbers:
    """Where the same four begin in TOKENS: (S, 4)."""
    begins = np.zeros((len(entries), 4), np.int64)
    begins[:, 0] = entries["offset"]
    begins[:, 1] = begins[:, 0] + 1 + entries["genre"]
    begins[:, 2] = begins[:, 1] + entries["title"]
    begins[:, 3] = begins[:, 2] + 1 + entries["heading"]
    return begins


def _encoder(tokenizer: Tokenizer) -> Encode:
    """Encodes many texts at once, each as the tokenizer's `encode` does."""
    if isinstance(tokenizer, CharacterTokenizer):
        return _character_encoder(tokenizer)

    def encode(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        encoded = [tokenizer.encode(text) for text in texts]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return np.fromiter(chain.from_iterable(encoded), np.int64, lengths.sum()), lengths

    return encode


def _character_encoder(tokenizer: CharacterTokenizer) -> Encode:
    """By a table over all of Unicode: a hundred times as fast as a loop over the characters."""
    table = np.full(sys.maxunicode + 1, -1, np.int32)  # -1: not seen so far

    def encode(texts: Sequence[str]) -> tuple[Numbers, Numbers]:
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        for code in np.unique(codes[table[codes] < 0]).tolist():
            table[code] = tokenizer.encode(chr(code))[0]
        return table[codes].astype(np.int64), np.fromiter(map(len, texts), np.int64, len(texts))

    return encode


def _batches(songs: Songs) -> Iterator[list[Song]]:
    batch: list[Song] = []
    characters = 0
    for song in songs:
        batch.append(song)
        characters += len(song.text)
        if characters >= ENCODED_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _encoded(songs: Sequence[Song], encode: Encode) -> tuple[Numbers, np.ndarray]:
    """The ids of S songs one after another (N,), and an Entry for each (S,)."""
    texts: list[str] = []
    for song in songs:
        texts += (song.genre or "", song.title or "", *split_heading(song.text))
    ids, lengths = encode(texts)
    has_genre = np.array([bool(song.genre) for song in songs])
    has_title = np.array([bool(song.title) for song in songs])
    genre, title, heading, text = lengths.reshape(-1, 4).T
    index = np.zeros(len(songs), Entry)
    index["genre"], index["title"] = genre + has_genre, title + has_title
    index["heading"], index["text"] = heading, text
    size = lengths.reshape(-1, 4).sum(axis=1) + has_genre + has_title + 3
    end = np.cumsum(size)
    index["offset"] = end - size
    begin = _span_begins(index)
    framed = np.empty(end[-1], np.int64)
    framed[begin[:, 0]], framed[begin[:, 2]], framed[end - 1] = START, TEXT, END
    framed[begin[has_genre, 0] + 1], framed[begin[has_title, 1]] = GENRE, TITLE
    begin[:, 0] += 1 + has_genre  # what was encoded stands behind the marks
    begin[:, 1] += has_title
    begin[:, 2] += 1
    before = np.cumsum(lengths) - lengths
    framed[np.arange(ids.size) + np.repeat(begin.reshape(-1) - before, lengths)] = ids
    return framed, index


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when all has been written."""
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
