"""The public face of a trained model: load it, ask it for logits, let it write lyrics."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.batch import exact_width
from model.errors import RequestError, WeightsError
from model.language import Language
from model.network import NetworkConfig
from model.ranking import Ranker, default_ranker
from model.stepping import Stepper
from model.weights import Weights, load_weights
from model.wish import Wish
from model.writing import Desk, Lyric, Song, WritingBatch


class LyricModel:
    """A network with its tokenizer and genres. Holds no state between calls."""

    def __init__(self, weights: Weights, name: str, ranker: Ranker = default_ranker) -> None:
        """ranker: chooses among the candidates of a lyric."""
        self.name = name
        self.version = f"{name}-{weights.digest[:8]}"
        self.genres = weights.genres
        self._network = weights.network
        self._tokenizer = weights.tokenizer
        stepper = Stepper(weights.network)
        self._desk = Desk(
            self.version,
            weights.genres,
            weights.tokenizer,
            stepper,
            Language(weights.tokenizer, weights.originality),
            exact_width(stepper),
            ranker,
        )

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

    def batch(self) -> WritingBatch:
        """A place to write many lyrics at once."""
        return WritingBatch(self._desk)

    def generate(
        self, seed: str | None = None, *, random_seed: int | None = None, **options: Any
    ) -> Lyric:
        """Write a lyric that opens with `seed`; the options are those of `Wish`."""
        return self.write(Wish(seed, **options), random_seed)

    def write(
        self,
        wish: Wish,
        random_seed: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Lyric:
        """Write a lyric. Same model, wish and random seed: same lyric.

        should_stop is asked after each token; once it says yes, the lyric ends on a whole line.
        Raises RequestError when the wish cannot be met.
        """
        batch = self.batch()
        return _finish(batch, batch.join(wish, random_seed), should_stop)

    def write_many(self, wish: Wish, count: int, random_seed: int | None = None) -> Iterator[Lyric]:
        """Lyrics side by side, in order; lyric k is the one of `random_seed` + k alone."""
        batch = self.batch()
        songs: list[Song] = []
        begun = 0
        while begun < count or songs:
            while begun < count and batch.has_room(wish):
                seed = None if random_seed is None else random_seed + begun
                songs.append(batch.join(wish, seed))
                begun += 1
            batch.step()
            while songs and (lyric := songs[0].lyric) is not None:
                yield lyric
                songs.pop(0)

    def regenerate(self, code: str) -> Lyric:
        """Write the lyric of a code again. Raises RequestError for another model's code."""
        batch = self.batch()
        return _finish(batch, batch.join_code(code), lambda: False)


def _finish(batch: WritingBatch, song: Song, should_stop: Callable[[], bool]) -> Lyric:
    while song.lyric is None:
        if should_stop():
            song.cut()
        batch.step()
    return song.lyric


def load(folder: str | Path) -> LyricModel:
    """Load a folder of weights. Raises WeightsError, naming the file at fault."""
    path = Path(folder)
    if not path.is_dir():
        raise WeightsError(
            f"There is no folder of weights {path}: train some with `python -m model train`."
        )
    return LyricModel(load_weights(path), path.resolve().name)
