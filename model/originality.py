"""Which runs of words stand verbatim in the training songs, without their text: a Bloom filter.

The filter (Bloom 1970) holds the n-grams of words, over line ends but not from song to song; a run
of L >= n words is told by L - n + 1 n-grams in a row that are in it. So no run is missed, and a run
may only be taken for longer than it is: by an n-gram that seems to be in the filter by chance, and
by n-grams that follow one another here but stand in different places there.

Words that were read more than once are in it, too, so that a writer can tell them from made-up
ones.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from model.corpus import Corpus, Report, Song
from model.errors import TrainingError, WeightsError
from model.text_figures import song_words

NGRAM_WORDS = 5
HASHES = 6  # bits that an n-gram sets
SIZES = tuple(15 * 2**i for i in range(10, 23))  # of a filter in bits; the largest has 7.9 MB
FULL = 0.4  # share of set bits up to which a filter is halved
LARGEST_FALSE_POSITIVE_RATE = 0.2  # reached by some 15 million n-grams, 80 MB of songs
KNOWN_COUNT = 2  # times that a word is read before it counts as known
CACHED_WORDS = 50_000

_BASE = 0x9E3779B97F4A7C15  # of the polynomial; odd, so that it loses no bit of a word's hash
_HALF = 2**32 - 1  # the lower half of a hash


@dataclass(frozen=True)
class NgramIndex:
    """The n-grams of words of some songs, and their words."""

    n: int
    hashes: int
    bits: bytes = field(repr=False)  # one of SIZES, the lowest of each byte first

    @classmethod
    def build(
        cls,
        songs: Iterable[Song],
        *,
        base: "NgramIndex | None" = None,
        progress: Callable[[int], None] | None = None,
    ) -> "NgramIndex":
        """Of the sung words of songs, and of all that is in `base`; in any order it is the same.

        `progress` hears how many songs have been read. Raises TrainingError when there is so much
        text that more than LARGEST_FALSE_POSITIVE_RATE of new n-grams would seem to be in it.
        """
        n, hashes = (base.n, base.hashes) if base else (NGRAM_WORDS, HASHES)
        flags = np.zeros(SIZES[-1], bool)
        if base:
            # where a place of the small filter may come from in the large one, all are set
            flags.reshape(-1, 8 * len(base.bits))[:] = _unpacked(base.bits)
        counts: Counter[str] = Counter()
        for done, song in enumerate(songs, start=1):
            words = song_words(song)
            counts.update(words)
            _add(flags, words, n, hashes)
            if progress is not None:
                progress(done)
        known = [word for word, count in counts.items() if count >= KNOWN_COUNT]
        _add(flags, known, 1, hashes)
        while flags.size > SIZES[0]:
            halved = flags[: flags.size // 2] | flags[flags.size // 2 :]
            if halved.mean() > FULL:
                break
            flags = halved
        index = cls(n, hashes, np.packbits(flags, bitorder="little").tobytes())
        if index.false_positive_rate > LARGEST_FALSE_POSITIVE_RATE:
            raise TrainingError(
                f"There is too much text for an index of its word runs: {SIZES[-1] // 8:,} "
                f"bytes would take {index.false_positive_rate:.0%} of new ones for copied ones."
            )
        return index

    @classmethod
    def read(cls, path: Path) -> "NgramIndex":
        """From a file of `to_bytes`. Raises WeightsError naming it when it cannot be used."""
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
                bits = file.get_tensor("bits")
            index = cls(int(metadata["n"]), int(metadata["hashes"]), bits.tobytes())
            assert bits.dtype == np.uint8, "its bits are not bytes"
            assert 8 * bits.size in SIZES, f"{bits.size} bytes are no size of a filter"
            assert index.n > 0, "n is not positive"
            assert index.hashes > 0, "hashes is not positive"
        except (
            AssertionError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
            safetensors.SafetensorError,
        ) as error:
            raise WeightsError(
                f"{path} is damaged or cut short ({error}): make it anew with "
                "`python -m model index`."
            ) from error
        return index

    def to_bytes(self) -> bytes:
        """A safetensors file: the bits, and n and hashes as metadata."""
        metadata = {"n": str(self.n), "hashes": str(self.hashes)}
        bits = np.frombuffer(self.bits, np.uint8)
        return bytes(safetensors.numpy.save({"bits": bits}, metadata))

    @property
    def false_positive_rate(self) -> float:
        """The share of n-grams never read that seem to be in it, 0 to 1."""
        return float(_unpacked(self.bits).mean()) ** self.hashes

    def follow(self, run: int, words: Sequence[str]) -> int:
        """The length of the verbatim run that ends at the newest word; 0 when it is under n.

        `words` are a lyric's words so far, in lower case as of `rhyme.words`, or at least the last
        n of them; `run` is what this method said before the newest one. Never too little.
        """
        if len(words) < self.n or not self._holds(words[-self.n :]):
            return 0
        return run + 1 if run else self.n

    def knows(self, word: str) -> bool:
        """Whether a word, in lower case, was read KNOWN_COUNT times."""
        return self._holds((word,))

    def longest_run(self, words: Sequence[str]) -> int:
        """Words of the longest verbatim run; 0 when it is under n. Never too little."""
        run = longest = 0
        for end in range(self.n, len(words) + 1):
            run = self.follow(run, words[end - self.n : end])
            longest = max(longest, run)
        return longest

    def _holds(self, ngram: Sequence[str]) -> bool:
        """`_places` for one n-gram, in plain integers: much faster for a single one."""
        key = 0
        for word in ngram:
            key = key * _BASE + _word_hash(word)
        place, step = key >> 32 & _HALF, key & _HALF | 1
        bits, size = self.bits, 8 * len(self.bits)
        for at in range(place, place + self.hashes * step, step):
            at %= size
            if not bits[at >> 3] >> (at & 7) & 1:
                return False
        return True


def index_corpus(corpus: Corpus, *, base: NgramIndex | None = None, progress: Report) -> NgramIndex:
    """`NgramIndex.build` of the songs that training learns: without those that are held out.

    `progress` hears how many songs have been read, and how many there are.
    """
    songs = corpus.part("train") or corpus
    return NgramIndex.build(songs, base=base, progress=lambda done: progress(done, len(songs)))


def _add(flags: npt.NDArray[np.bool_], words: Sequence[str], n: int, hashes: int) -> None:
    """Set the places of all n-grams of a song."""
    count = len(words) - n + 1
    if count > 0:
        word_hashes = np.fromiter(map(_word_hash, words), np.uint64, len(words))
        for places in _places(word_hashes, n, hashes):
            flags[places % np.uint64(flags.size)] = True


def _places(
    word_hashes: npt.NDArray[np.uint64], n: int, hashes: int
) -> Iterable[npt.NDArray[np.uint64]]:
    """The first place of every n-gram, the second, and so on, each modulo the filter's size.

    An n-gram's hash is a polynomial in those of its words, modulo 2^64; its halves are the first
    place and the step to the next ones (double hashing, Kirsch & Mitzenmacher 2006).
    """
    keys = np.zeros(len(word_hashes) - n + 1, np.uint64)
    for i in range(n):
        keys *= np.uint64(_BASE)
        keys += word_hashes[i : i + len(keys)]
    place, step = keys >> np.uint64(32), keys & np.uint64(_HALF) | np.uint64(1)
    for _ in range(hashes):
        yield place
        place = place + step


@lru_cache(CACHED_WORDS)
def _word_hash(word: str) -> int:
    """64 bits that are the same on every machine."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


def _unpacked(bits: bytes) -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
