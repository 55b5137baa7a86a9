"""How well a network foretells songs it has not seen, in units that tokenizers share.

Each song is read behind its genre and title; the nats of its text and of its end are counted. A
character count that gives the end one character turns them into bits per character, so that models
with different tokens can be compared, as long as none is unknown. Songs are read in two ways: each
from a zero state, and streamed, with the state carried from song to song as in training.
"""

import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.corpus import Report, Song
from model.frame import frame_song
from model.network import Network, within
from model.tokenizer import END, TEXT, UNKNOWN, Tokenizer

ROWS_AT_ONCE = 32
STEPS_AT_ONCE = 64  # bounds the memory that a long song takes
STREAMS = 8  # rows of songs that carry a state, read side by side


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
    progress: Report | None = None,
) -> Evaluation:
    """Read songs one by one, each from a zero state. For `progress` see evaluate_each()."""
    return total(evaluate_each(network, tokenizer, songs, progress))


def evaluate_each(
    network: Network,
    tokenizer: Tokenizer,
    songs: Sequence[Song],
    progress: Report | None = None,
) -> list[Evaluation]:
    """The figures of each song, read from a zero state.

    `progress` hears how many tokens have been read, and how many there are.
    """
    framed = [frame_song(tokenizer, song).ids() for song in songs]
    nats, tokens = framed_nats(network, framed, tokenizer.forced_ids, progress)
    return [
        Evaluation(float(n), int(t), len(song.text) + 1, 1, ids.count(UNKNOWN))
        for song, ids, n, t in zip(songs, framed, nats, tokens, strict=True)
    ]


def total(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The figures of all songs together."""
    return Evaluation(
        sum(one.nats for one in evaluations),
        sum(one.tokens for one in evaluations),
        sum(one.characters for one in evaluations),
        sum(one.songs for one in evaluations),
        sum(one.unknown for one in evaluations),
    )


def evaluate_streamed(
    network: Network,
    tokenizer: Tokenizer,
    songs: Sequence[Song],
    progress: Report | None = None,
) -> Evaluation:
    """Read songs in their order with the state carried from each to the next.

    They are cut into STREAMS runs of songs, each of which begins with a zero state. For `progress`
    see evaluate_each().
    """
    framed = [frame_song(tokenizer, song).ids() for song in songs]
    edges = np.linspace(0, len(songs), min(STREAMS, len(songs)) + 1).astype(int).tolist()
    rows = [list(chain.from_iterable(framed[begin:end])) for begin, end in pairwise(edges)]
    nats, tokens = framed_nats(network, rows, tokenizer.forced_ids, progress)
    characters = sum(len(song.text) + 1 for song in songs)
    unknown = sum(ids.count(UNKNOWN) for ids in framed)
    return Evaluation(float(nats.sum()), int(tokens.sum()), characters, len(songs), unknown)


def framed_nats(
    network: Network,
    rows: Sequence[Sequence[int]],
    forced_ids: range,
    progress: Report | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """What text_nats() says of any number of rows (R,), (R,); on all cores."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]), reverse=True)
    cores = os.cpu_count() or 1
    size = max(1, min(ROWS_AT_ONCE, -(-len(rows) // cores)))
    # longest first, so that the threads finish together
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    nats, tokens = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    whole = sum(len(row) - 1 for row in rows)
    done, lock = 0, threading.Lock()

    def advance(read: int) -> None:
        nonlocal done
        with lock:
            done += read
            if progress is not None:
                progress(done, whole)

    def measure(batch: list[int]) -> None:
        nats[batch], tokens[batch] = text_nats(
            network, [rows[i] for i in batch], forced_ids, advance
        )

    with one_blas_thread(), ThreadPoolExecutor(cores) as pool:
        list(pool.map(measure, batches))
    return nats, tokens


def text_nats(
    network: Network,
    rows: Sequence[Sequence[int]],
    forced_ids: range,
    advance: Callable[[int], None] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Nats of the texts and ends in each row (B,), and the number of tokens they are of (B,).

    A row is a framed song, or several one behind the other. `forced_ids` (`Tokenizer.forced_ids`)
    are given, not foretold, and not counted. `advance` hears how many tokens more have been read.
    """
    length = max(map(len, rows))
    padded = np.full((length, len(rows)), END, np.int32)
    inside = np.zeros((length, len(rows)), bool)  # from TEXT to before END
    for column, ids in enumerate(rows):
        padded[: len(ids), column] = ids
        row = padded[: len(ids), column]
        inside[: len(ids), column] = np.cumsum(row == TEXT) > np.cumsum(row == END)
        inside[len(ids) - 1, column] = False  # nothing follows
    inside[:-1] &= ~within(padded[1:], forced_ids)
    lengths = np.array([len(ids) - 1 for ids in rows])
    totals = np.zeros(len(rows))
    state = network.zero_state(len(rows))
    for start in range(0, length - 1, STEPS_AT_ONCE):
        inputs = padded[start : min(start + STEPS_AT_ONCE, length - 1)]
        targets = padded[start + 1 : start + 1 + len(inputs)]
        nats, state = network.token_nats(inputs, targets, state)
        totals += (nats * inside[start : start + len(inputs)]).sum(axis=0, dtype=np.float64)
        if advance is not None:
            advance(int(np.clip(lengths - start, 0, len(inputs)).sum()))
    return totals, inside.sum(axis=0)
