"""Telling passages that mostly repeat text seen before, in memory that does not grow.

A text's "shingles" (Broder 1997) are its runs of five words; copies share most of them, whatever
their layout, punctuation or cut. Each shingle seen sets one bit of a map, found by a checksum, so
a corpus of any size needs the same 64 MiB. Signatures such as MinHash would find likeness of whole
texts only, not a passage that lies inside a longer one or across two, and would grow with them.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SHINGLE_WORDS = 5
MAP_BITS = 2**29  # a corpus of 25 MB sets 1 % of them: so much of a new text looks seen by chance


class SeenText:
    """Remembers texts by their shingles and says how much of another text they hold."""

    def __init__(self) -> None:
        self._map = np.zeros(MAP_BITS // 8, np.uint8)

    def add(self, words: Sequence[str]) -> None:
        """Remember a text."""
        places, bits = _places(words)
        np.bitwise_or.at(self._map, places, bits)

    def share(self, words: Sequence[str]) -> float:
        """The share of a text's different shingles that stand in the texts added so far."""
        places, bits = _places(words)
        return float(np.mean((self._map[places] & bits) != 0))


def _places(words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """The byte and the bit in the map of each shingle; a shorter text is a shingle itself."""
    count = max(1, len(words) - SHINGLE_WORDS + 1)
    shingles = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(count)}
    hashes = np.array(sorted(zlib.crc32(s.encode()) % MAP_BITS for s in shingles), np.int64)
    return hashes >> 3, (1 << (hashes & 7)).astype(np.uint8)
