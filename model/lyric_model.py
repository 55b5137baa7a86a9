"""The public face of a trained model: load it, ask it for logits, let it write lyrics."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.code import lyric_code, parse_code
from model.errors import RequestError, WeightsError
from model.generation import LineWriter, write_lines
from model.network import NetworkConfig
from model.weights import Weights, load_weights
from model.wish import DEFAULT_LINES, Wish

RANDOM_SEEDS = 2**32  # a random seed is one of so many


@dataclass(frozen=True)
class Lyric:
    """A finished lyric and what it takes to write it again."""

    text: str  # lines separated by line ends, stanzas by a blank line
    code: str  # see `model.code`
    model: str  # the version of the weights
    random_seed: int
    wish: Wish


class LyricModel:
    """A network with its tokenizer and genres. Holds no state between calls."""

    def __init__(self, weights: Weights, name: str) -> None:
        self.name = name
        self.version = f"{name}-{weights.digest[:8]}"
        self.genres = weights.genres
        self._network = weights.network
        self._tokenizer = weights.tokenizer
        self._writer = LineWriter(weights.network, weights.tokenizer)

    @property
    def config(self) -> NetworkConfig:
        """The network's sizes."""
        return self._network.config

    @property
    def parameter_count(self) -> int:
        """How many numbers the network has learned."""
        return self._network.config.parameter_count

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """Token ids (T,) of plain text."""
        return np.array(self._tokenizer.encode(text), np.int32)

    def decode(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """The text of token ids; special ones stand for nothing.

        Raises RequestError for an id outside the vocabulary.
        """
        self._check_ids(ids)
        return self._tokenizer.decode([int(i) for i in ids])

    def logits(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Unnormalized log-probabilities (T, V) of the next token after each of ids (T,).

        From a zero state. Raises RequestError for an id outside the vocabulary.
        """
        self._check_ids(ids)
        column = np.asarray(ids, np.int64).reshape(-1, 1)
        activations = self._network.forward(column, self._network.zero_state(1))
        return self._network.logits(activations.output[:, :, 0]).astype(np.float32, copy=False)

    def _check_ids(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> None:
        size = self.config.vocabulary_size
        if any(not 0 <= int(i) < size for i in ids):
            raise RequestError(f"Token ids must be from 0 to {size - 1}.")

    def generate(
        self,
        seed: str | None = None,
        *,
        genre: str | None = None,
        title: str | None = None,
        lines: int = DEFAULT_LINES,
        temperature: float = Wish.temperature,
        top_p: float = Wish.top_p,
        random_seed: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Lyric:
        """Write a lyric that opens with `seed`; `write` says more."""
        wish = Wish(seed, genre, title, lines, temperature, top_p)
        return self.write(wish, random_seed, should_stop)

    def write(
        self,
        wish: Wish,
        random_seed: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Lyric:
        """Write a lyric. Same model, wish and random seed: same lyric.

        should_stop is asked after each line; once it says yes, the lyric ends there. Raises
        RequestError when the wish cannot be met.
        """
        wish = wish.checked(self.genres)
        if random_seed is None:
            random_seed = secrets.randbelow(RANDOM_SEEDS)
        if not 0 <= random_seed < RANDOM_SEEDS:
            raise RequestError(f"A random seed must be from 0 to {RANDOM_SEEDS - 1}.")
        with one_blas_thread():
            text = "\n".join(write_lines(self._writer, wish, random_seed, should_stop)).rstrip()
        code = lyric_code(self.version, random_seed, wish)
        return Lyric(text, code, self.version, random_seed, wish)

    def regenerate(self, code: str) -> Lyric:
        """Write the lyric of a code again. Raises RequestError for another model's code."""
        random_seed, wish = parse_code(code, self.version)
        return self.write(wish, random_seed)


def load(folder: str | Path) -> LyricModel:
    """Load a folder of weights. Raises WeightsError, naming the file at fault."""
    path = Path(folder)
    if not path.is_dir():
        raise WeightsError(
            f"There is no folder of weights {path}: train some with `python -m model train`."
        )
    return LyricModel(load_weights(path), path.resolve().name)
