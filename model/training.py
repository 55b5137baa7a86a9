"""Training: stateful truncated back-propagation through time, from a corpus to a folder of weights.

Each step takes one segment of T tokens from each of B places in the stream of songs and carries
the recurrent state into the next. The batch is cut into one shard a thread: numpy's products and
element-wise loops let go of the interpreter's lock, so each core works on its own songs.
Everything random is a function of the random seed and the step's number, and a checkpoint holds
parameters, optimizer and carried state; so a run that was stopped goes on as if it had not been.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from model import checkpoint
from model.blas import one_blas_thread
from model.card import model_card
from model.cells import CELLS
from model.checkpoint import Checkpoint, Progress
from model.corpus import Corpus, Song
from model.errors import TrainingError
from model.evaluation import Evaluation, evaluate
from model.frame import SongStream, frame_song, segments
from model.network import Ids, Network, NetworkConfig, State, initial_parameters
from model.optimizers import OPTIMIZERS, Optimizer, clip_norm
from model.tokenizer import BytePairTokenizer, CharacterTokenizer, Tokenizer
from model.weights import Weights, save_weights

WARM_UP = 0.02  # share of the run in which the learning rate rises
FINAL_RATE = 0.02  # of the learning rate, at the end of its cosine
LEAST_SEGMENTS = 32  # an epoch has; of a small corpus fewer places are read at once
VALIDATION_CHARACTERS = 100_000  # a larger validation part is sampled, to keep it short
TOKENIZERS = ("bpe", "char")
RESUMABLE = {"epochs", "minutes", "evaluations", "checkpoint_minutes", "threads"}


def option_type(option: Field[Any]) -> type:
    """What an option's value is: str, int or float; minutes, which has no default, is a float."""
    return float if option.default is None else type(option.default)


def _option(default: Any, text: str, **more: Any) -> Any:
    """A field of TrainingConfig that the command line shows with `text` as its help."""
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a person may tune; the command line and --config take these names."""

    tokenizer: str = _option("bpe", "what a token is", choices=TOKENIZERS)
    vocabulary: int = _option(4096, "tokens of a BPE vocabulary")
    cell: str = _option("lstm", "recurrent cell", choices=tuple(CELLS))
    embedding: int = _option(256, "numbers that stand for a token")
    hidden: int = _option(512, "units of a recurrent layer")
    layers: int = _option(2, "recurrent layers")
    optimizer: str = _option("adam", "how gradients become steps", choices=tuple(OPTIMIZERS))
    learning_rate: float = _option(2e-3, "highest step size; it warms up, then falls as a cosine")
    epochs: float = _option(10.0, "how often each song is seen")
    minutes: float | None = _option(None, "train this long instead of a number of epochs")
    batch: int = _option(64, "places in the songs that are read at once, at most")
    steps: int = _option(64, "tokens that the error flows back over")
    dropout: float = _option(0.2, "share of units that rest in each segment")
    drop_state: float = _option(0.1, "how often a segment starts from zero, as a lyric does")
    clip_norm: float = _option(1.0, "largest norm of the whole gradient")
    clip_error: float = _option(6.0, "largest value of the error that flows back in time")
    evaluations: int = _option(10, "validations in the run, each with a sample")
    checkpoint_minutes: float = _option(3.0, "minutes between checkpoints")
    random_seed: int = _option(1, "same seed, same weights")
    threads: int = _option(0, "threads; 0 for one a core")

    def checked(self) -> "TrainingConfig":
        """Itself; raises TrainingError naming the first option that cannot be."""
        for option in fields(self):
            value, choices = getattr(self, option.name), option.metadata.get("choices")
            kind = int | float if option_type(option) is float else option_type(option)
            if value != option.default and (isinstance(value, bool) or not isinstance(value, kind)):
                raise TrainingError(f"{option.name} cannot be {value!r}.")
            if choices and value not in choices:
                raise TrainingError(f"{option.name} must be one of {', '.join(choices)}.")
        for name in ("vocabulary", "embedding", "hidden", "layers", "batch", "steps"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1.")
        for name in ("learning_rate", "epochs", "clip_norm", "clip_error", "checkpoint_minutes"):
            if not getattr(self, name) > 0:
                raise TrainingError(f"{name} must be above 0.")
        if self.minutes is not None and not self.minutes > 0:
            raise TrainingError("minutes must be above 0.")
        if not 0 <= self.dropout < 1 or not 0 <= self.drop_state <= 1:
            raise TrainingError("dropout must be from 0 to below 1, drop_state from 0 to 1.")
        if self.evaluations < 1 or self.threads < 0 or self.random_seed < 0:
            raise TrainingError(
                "evaluations must be at least 1, threads and random_seed 0 or more."
            )
        return self

    @property
    def shards(self) -> int:
        """Parts of the batch that are worked on at once."""
        return min(self.threads or os.cpu_count() or 1, self.batch)


@dataclass(frozen=True)
class Step:
    """What a listener hears after each step."""

    number: int
    share: float  # of the run that is done, 0 to 1
    epoch: float
    nats_per_token: float  # of this step's segments, with dropout
    learning_rate: float
    tokens_per_second: float
    seconds: float  # spent so far, also before the run was last resumed


@dataclass(frozen=True)
class Validation:
    """What a listener hears after each validation."""

    step: int
    share: float
    evaluation: Evaluation
    best: bool


class Listener:
    """Hears how a run goes; this one does nothing. See `progress.py`."""

    def stepped(self, step: Step) -> None:
        """After each step."""

    def validated(self, validation: Validation, weights: Weights) -> None:
        """After each validation; `weights` are those validated."""


class Training:
    """One run: the data, the network, the optimizer, and how far it has come."""

    def __init__(self, config: TrainingConfig, corpus: Corpus, init: Weights | None = None) -> None:
        """Start from `init`'s weights and vocabulary, or from nothing.

        Raises TrainingError when the corpus is too small.
        """
        self.config = config.checked()
        train = corpus.part("train") or corpus.songs
        self.validation_songs = validation_songs(corpus)
        self.held_out = bool(corpus.part("validation") or corpus.part("test"))
        self.tokenizer = init.tokenizer if init else _train_tokenizer(config, train)
        self.genres = tuple(sorted({*corpus.genres, *(init.genres if init else ())}))
        self.stream = SongStream(
            [frame_song(self.tokenizer, song) for song in train], config.random_seed
        )
        tokens = len(self.stream.epoch(0))
        if tokens < 2 * config.steps:
            raise TrainingError(
                f"There is too little text to learn from: {tokens} tokens, "
                f"at least {2 * config.steps} are needed. Add songs."
            )
        self.batch_size = min(config.batch, max(1, tokens // (LEAST_SEGMENTS * config.steps)))
        if init:
            network_config = init.network.config
            parameters = {name: array.copy() for name, array in init.network.parameters.items()}
        else:
            network_config = NetworkConfig(
                self.tokenizer.vocabulary_size,
                config.embedding,
                config.hidden,
                config.layers,
                config.cell,
            )
            parameters = initial_parameters(
                network_config, np.random.default_rng(config.random_seed)
            )
        self.network = Network(network_config, parameters)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer]()
        self.progress = Progress(tokens, next_validation=1 / config.evaluations)
        self.state = self.network.zero_state(self.batch_size)

    @classmethod
    def resumed(cls, folder: Path, corpus: Corpus, changes: dict[str, Any]) -> "Training":
        """The run whose last checkpoint is in `folder`, to go on as if it had not stopped.

        `changes` may prolong it or say how it is watched (RESUMABLE), but not change what it
        computes. Raises WeightsError without a checkpoint, TrainingError for other songs.
        """
        for name in changes.keys() - RESUMABLE:
            raise TrainingError(f"{name} cannot change when a run is resumed.")
        saved = checkpoint.load(folder)
        config = TrainingConfig(**{**saved.weights.training, **changes})
        training = cls(config, corpus, saved.weights)
        if saved.progress.tokens_in_epoch != training.progress.tokens_in_epoch:
            raise TrainingError(
                f"{folder} was trained on other songs; resume with the corpus it began with."
            )
        training.optimizer.restore(saved.optimizer)
        training.state = saved.state
        training.progress = saved.progress
        return training

    def run(
        self, folder: Path, listener: Listener, stop_requested: Callable[[], bool]
    ) -> Evaluation:
        """Train to the end or until `stop_requested`; leave the best and the last in `folder`.

        Returns the best validation. Raises TrainingError when the loss is no longer finite; what
        was saved before stays.
        """
        with (
            one_blas_thread(),
            ThreadPoolExecutor(self.config.shards) as pool,
        ):
            self._run(pool, folder, listener, stop_requested)
        best = self.progress.best
        assert best is not None
        return Evaluation(**best)

    def _run(
        self,
        pool: ThreadPoolExecutor,
        folder: Path,
        listener: Listener,
        stop_requested: Callable[[], bool],
    ) -> None:
        progress, config = self.progress, self.config
        saved = time.monotonic()
        while self.share < 1:
            epoch_ids = self.stream.epoch(progress.epoch)
            parts = list(segments(epoch_ids, self.batch_size, config.steps))
            while progress.segment < len(parts) and self.share < 1:
                began = time.monotonic()
                inputs, targets = parts[progress.segment]
                rate = learning_rate_at(self.share, config.learning_rate)
                loss = self._step(pool, inputs, targets, rate)
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"The loss is no longer finite at step {progress.step}: train again with "
                        f"a lower --learning-rate. What {folder} held before is still there."
                    )
                progress.step += 1
                progress.segment += 1
                progress.epoch_share = progress.segment / len(parts)
                elapsed = time.monotonic() - began
                progress.seconds += elapsed
                listener.stepped(
                    Step(
                        progress.step,
                        self.share,
                        progress.epoch + progress.epoch_share,
                        loss,
                        rate,
                        inputs.size / elapsed,
                        progress.seconds,
                    )
                )
                stopping = stop_requested()
                if self.share >= min(1, progress.next_validation) or (
                    stopping and progress.best is None
                ):
                    self._validate(folder, listener)
                if stopping or time.monotonic() - saved > 60 * config.checkpoint_minutes:
                    self.save(folder)
                    saved = time.monotonic()
                if stopping:
                    return
            if progress.segment == len(parts):
                progress.epoch += 1
                progress.segment, progress.epoch_share = 0, 0.0
        self.save(folder)

    @property
    def share(self) -> float:
        """The share of the run that is done, 0 to 1."""
        if self.config.minutes is not None:
            return min(1.0, self.progress.seconds / (60 * self.config.minutes))
        done = self.progress.epoch + self.progress.epoch_share
        return min(1.0, done / self.config.epochs)

    def save(self, folder: Path) -> None:
        """Write the last checkpoint."""
        weights = Weights(self.network, self.tokenizer, self.genres, asdict(self.config))
        checkpoint.save(
            folder, Checkpoint(weights, self.optimizer.state(), self.state, self.progress)
        )

    def _weights(self, evaluation: Evaluation) -> Weights:
        """The network as it stands, with what its folder says of it."""
        figures = {
            "epochs_done": round(self.progress.epoch + self.progress.epoch_share, 3),
            "seconds": round(self.progress.seconds),
            "validation_bits_per_character": round(evaluation.bits_per_character, 4),
            "validation_perplexity": round(evaluation.perplexity, 3),
            "validation_songs": evaluation.songs,
            "held_out": self.held_out,
        }
        training = {**asdict(self.config), **figures}
        return Weights(self.network, self.tokenizer, self.genres, training)

    def _step(
        self, pool: ThreadPoolExecutor, inputs: Ids, targets: Ids, learning_rate: float
    ) -> float:
        """One update from a segment (T, B); the mean nats per token before it."""
        config, seed = self.config, [self.config.random_seed, self.progress.step]
        keep = np.random.default_rng(seed).random(self.batch_size) >= config.drop_state
        state = self._kept(keep)
        shards = np.array_split(np.arange(self.batch_size), config.shards)
        columns = [slice(shard[0], shard[-1] + 1) for shard in shards if len(shard)]
        weights = np.full(inputs.shape, 1 / inputs.size, np.float32)

        def work(shard: int) -> Any:
            part = columns[shard]
            return self.network.loss_and_gradients(
                inputs[:, part],
                targets[:, part],
                weights[:, part],
                tuple(tuple(array[part] for array in layer) for layer in state),
                dropout=config.dropout,
                rng=np.random.default_rng([*seed, 1 + shard]),
                # the bound is for the errors of a sum of losses; `weights` make it a mean
                error_clip=config.clip_error / inputs.size,
            )

        results = list(pool.map(work, range(len(columns))))
        gradients = results[0].gradients
        for other in results[1:]:
            for name, gradient in other.gradients.items():
                gradients[name] += gradient
        clip_norm(gradients, config.clip_norm)
        self.optimizer.update(self.network.parameters, gradients, learning_rate)
        self.state = tuple(
            tuple(np.concatenate(arrays) for arrays in zip(*layers, strict=True))
            for layers in zip(*(result.state for result in results), strict=True)
        )
        return sum(float(result.loss) for result in results)

    def _kept(self, keep: np.ndarray) -> State:
        """The carried state, zeroed for the sequences that `keep` (B,) leaves out."""
        if self.progress.segment == 0:
            return self.network.zero_state(self.batch_size)
        factor = keep.astype(np.float32)[:, None]
        return tuple(tuple(array * factor for array in layer) for layer in self.state)

    def _validate(self, folder: Path, listener: Listener) -> None:
        began, share = time.monotonic(), self.share
        evaluation = evaluate(self.network, self.tokenizer, self.validation_songs)
        progress = self.progress
        best = progress.best is None or (
            evaluation.bits_per_character < Evaluation(**progress.best).bits_per_character
        )
        if best:
            progress.best = asdict(evaluation)
        weights = self._weights(evaluation)
        if best:
            save_weights(weights, folder, model_card(weights, folder.name))
        listener.validated(Validation(progress.step, share, evaluation, best), weights)
        progress.seconds += time.monotonic() - began
        cost = self.share - share  # above 0 only where the run is measured in minutes
        progress.next_validation = self.share + max(1 / self.config.evaluations, 5 * cost)


def learning_rate_at(share: float, highest: float) -> float:
    """Linear warm-up, then a cosine down to FINAL_RATE of `highest` (Loshchilov & Hutter 2017)."""
    if share < WARM_UP:
        return highest * (share + 0.1 * WARM_UP) / (1.1 * WARM_UP)
    falling = 0.5 * (1 + np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP)))
    return float(highest * (FINAL_RATE + (1 - FINAL_RATE) * falling))


def _train_tokenizer(config: TrainingConfig, songs: Sequence[Song]) -> Tokenizer:
    texts = [text for song in songs for text in (song.text, song.title, song.genre) if text]
    if config.tokenizer == "char":
        return CharacterTokenizer.train(texts)
    return BytePairTokenizer.train(texts, config.vocabulary)


def validation_songs(corpus: Corpus) -> list[Song]:
    """The validation songs, or as many as fit; of a tiny corpus the test, then all songs."""
    songs = corpus.part("validation") or corpus.part("test") or corpus.songs
    chosen: list[Song] = []
    characters = 0
    for song in songs:
        if chosen and characters + len(song.text) > VALIDATION_CHARACTERS:
            continue
        chosen.append(song)
        characters += len(song.text)
    return chosen
