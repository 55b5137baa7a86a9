"""Streams of tokens to train on, from a file that need not fit in memory.

Training songs are encoded once into a file of ids; an index, mapped into memory, says where each
song and its parts stand. An epoch is an order of the songs and, for each, whether its genre, title
and heading are shown: a few bytes a song. The ids themselves are read in pieces, just ahead of the
segments that are cut from them for truncated back-propagation.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from model.corpus import Corpus, Report, Songs
from model.encoding import Entry, Numbers, encoded, shown_lengths, span_begins
from model.errors import CorpusError, ModelError
from model.network import Ids
from model.text_blocks import file_state
from model.tokenizer import Tokenizer
from model.weights import write_file

KEEP_GENRE = 0.9  # probability with which a training song shows its genre
KEEP_TITLE = 0.7
KEEP_HEADING = 0.5  # of a heading on the first line, so that a seed can open a song

TOKENS = "tokens.bin"  # ids of one song after another
INDEX = "tokens.index"  # one Entry a song
ABOUT = "tokens.json"  # what songs they are, and the type of the ids; written last
LAYOUT = 1  # to be raised when the files' form changes
READ_AHEAD = 2**15  # tokens of all columns together
SONGS_AT_ONCE = 2**16  # of which an epoch's lengths are worked out


class TokenStream(Protocol):
    """Epoch after epoch of ids, as columns that go on from segment to segment."""

    @property
    def tokens(self) -> int:
        """The ids of the first epoch."""

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
    """Songs as ids: what write_tokens() leaves in a folder."""

    path: Path
    kind: np.dtype  # unsigned integers of 8, 16 or 32 bits, as the vocabulary needs
    index: np.memmap  # (songs,) Entry
    state: tuple[int, int]  # of the file when it was opened

    @property
    def tokens(self) -> int:
        """How many ids there are."""
        return self.state[0] // self.kind.itemsize

    def read(self, begins: Numbers, counts: Numbers) -> np.ndarray:
        """Runs of ids from several places, one run behind the other.

        Read and not mapped: pages that are mapped count as this process's memory, song after song
        in all their neighbourhood, until they are the whole file. Raises ModelError when the file
        is not what it was.
        """
        ids = np.empty(counts.sum(), self.kind)
        view, size = ids.view(np.uint8).data, self.kind.itemsize
        ends = np.cumsum(counts)
        if file_state(self.path) != self.state:
            raise ModelError(f"{self.path} has changed while it was in use; start again.")
        try:
            with self.path.open("rb", buffering=0) as file:
                places = zip(begins.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True)
                for begin, first, last in places:
                    file.seek(begin * size)
                    file.readinto(view[first * size : last * size])
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read: {error.strerror}.") from error
        return ids


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
        path, kind = folder / TOKENS, np.dtype(about["type"])
        file = TokenFile(path, kind, np.memmap(folder / INDEX, Entry, "r"), file_state(path))
        sizes = (about["tokens"] * kind.itemsize, about["songs"])
        return file if (file.state[0], file.index.size) == sizes else None
    except (CorpusError, OSError, ValueError, TypeError, KeyError):
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
    tokens, done = 0, 0
    try:
        with _new_file(folder / TOKENS) as ids_file, _new_file(folder / INDEX) as index_file:
            for ids, index in encoded(songs, tokenizer):
                ids_file.write(ids.astype(kind).tobytes())
                index_file.write(index.tobytes())
                tokens, done = tokens + ids.size, done + len(index)
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
        self._index = np.asarray(tokens.index)
        self._random_seed = random_seed
        self._epoch = self._laid_out(0)
        self.tokens = self._epoch.length

    def length(self, epoch: int) -> int:
        return self._laid_out_once(epoch).length

    def segments(
        self, epoch: int, batch: int, steps: int, first: int = 0
    ) -> Iterator[tuple[Ids, Ids]]:
        laid_out = self._laid_out_once(epoch)
        return _segments(partial(self._read, laid_out), laid_out.length, batch, steps, first)

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
            shown = shown_lengths(self._index[order[part]], keep[part])
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
        lengths = shown_lengths(entries, epoch.keep[place])
        ends = epoch.starts[place][:, None] + np.cumsum(lengths, axis=1)
        low = np.maximum(ends - lengths, starts[column][:, None])
        high = np.minimum(ends, (starts + count)[column][:, None])
        taken = np.maximum(high - low, 0)
        begins = span_begins(entries) + low - (ends - lengths)
        # what is read of each song: from its first span that is taken to the end of its last
        from_here = np.where(taken, begins, np.iinfo(np.int64).max).min(axis=1)
        counts = np.where(taken, begins + taken, 0).max(axis=1) - from_here
        ids = self._file.read(from_here, counts)
        begins += (np.cumsum(counts) - counts - from_here)[:, None]  # now in `ids`
        taken = taken.reshape(-1)
        before = np.cumsum(taken) - taken
        where = np.arange(starts.size * count) + np.repeat(begins.reshape(-1) - before, taken)
        return np.ascontiguousarray(ids[where].reshape(starts.size, count).T, np.int32)


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
