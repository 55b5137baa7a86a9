"""How well a network foretells songs it has not seen, in units that tokenizers share.

Each song is read from a zero state behind its genre and title; the nats of its text and of its
end are counted. A character count that gives the end one character turns them into bits per
character, so that models with different tokens can be compared, as long as none is unknown.
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.corpus import Song
from model.frame import frame_song
from model.network import Network
from model.tokenizer import END, TEXT, UNKNOWN, Tokenizer

SONGS_AT_ONCE = 32
STEPS_AT_ONCE = 64  # bounds the memory that a long song takes


@dataclass(frozen=True)
class Evaluation:
    """Sums over songs, and the figures made of them."""

    nats: float
    tokens: int
    characters: int
    songs: int
    unknown: int = 0  # tokens that stand for a word or character the vocabulary lacks

    @property
    def nats_per_token(self) -> float:
        """Mean -ln p of a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp of the nats per token."""
        return math.exp(self.nats_per_token)

    @property
    def bits_per_character(self) -> float:
        """Total bits over total characters, each song's end counted as one character."""
        return self.nats / math.log(2) / self.characters


def evaluate(
    network: Network,
    tokenizer: Tokenizer,
    songs: Sequence[Song],
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Read songs one by one, each from a zero state; `progress` hears how many are done."""
    framed = sorted(((frame_song(tokenizer, song).ids()) for song in songs), key=len)
    batches = [framed[i : i + SONGS_AT_ONCE] for i in range(0, len(framed), SONGS_AT_ONCE)]
    nats, tokens, done = 0.0, 0, 0
    with (
        one_blas_thread(),
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        # longest first, so that the threads finish together
        for song_nats, counted in pool.map(partial(text_nats, network), reversed(batches)):
            nats += float(song_nats.sum())
            tokens += int(counted.sum())
            done += len(counted)
            if progress is not None:
                progress(done)
    characters = sum(len(song.text) + 1 for song in songs)
    unknown = sum(ids.count(UNKNOWN) for ids in framed)
    return Evaluation(nats, tokens, characters, len(songs), unknown)


def text_nats(
    network: Network, framed: Sequence[Sequence[int]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Nats of each song's text and end (B,), and the number of tokens they are of (B,)."""
    length = max(len(ids) for ids in framed)
    padded = np.full((length, len(framed)), END, np.int32)
    counted = np.zeros((length - 1, len(framed)), bool)
    for column, ids in enumerate(framed):
        padded[: len(ids), column] = ids
        counted[ids.index(TEXT) : len(ids) - 1, column] = True  # targets after the mark
    totals = np.zeros(len(framed))
    state = network.zero_state(len(framed))
    for start in range(0, length - 1, STEPS_AT_ONCE):
        inputs = padded[start : min(start + STEPS_AT_ONCE, length - 1)]
        targets = padded[start + 1 : start + 1 + len(inputs)]
        nats, state = network.token_nats(inputs, targets, state)
        totals += (nats * counted[start : start + len(inputs)]).sum(axis=0, dtype=np.float64)
    return totals, counted.sum(axis=0)
