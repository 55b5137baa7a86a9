"""Training: stateful truncated back-propagation through time, from a corpus to a folder of weights.

Each step takes one segment of T tokens from each of B places in the stream of songs and carries
the recurrent state into the next. The work is shared by one process a core (`team.py`), and by
several programs under mpirun (`ranks.py`). Everything random is a function of the random seed,
the step and the place in the batch, and a checkpoint holds all that the next step depends on; so
a run that was stopped, or killed, ends in the same weights as one that was not.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model import checkpoint
from model.card import model_card
from model.checkpoint import Checkpoint, Progress
from model.errors import TrainingError
from model.evaluation import Evaluation
from model.genre_contrast import Contrast
from model.network import Ids, Network, initial_parameters, with_temperature
from model.options import RESUMABLE, TrainingConfig
from model.ranks import Alone, Ranks
from model.schedules import learning_rate_at
from model.task import Task
from model.team import Plan, Team
from model.weights import Weights, load_weights, save_weights

LOSS_MEMORY = 0.98  # of the mean of the steps' losses that divergence is told from
DIVERGED = 3.0  # times the lowest mean so far
TEMPERATURE_STEP = 1.05  # factor between two softmax temperatures that are tried
TEMPERATURE_LIMIT = 2.0  # none further from 1 is tried


@dataclass(frozen=True)
class Step:
    """What a listener hears after each step."""

    number: int
    share: float  # of the run that is done, 0 to 1
    epoch: float
    nats_per_token: float  # of this step's segments, with dropout
    learning_rate: float
    gradient_norm: float  # before it was clipped
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
    """Hears how a run goes; this one ignores it."""

    def stepped(self, step: Step) -> None:
        """After each step."""

    def validated(self, validation: Validation, weights: Weights) -> None:
        """After each validation, with the weights that were measured."""


class Training:
    """A run: what it learns, its parameters and how far it has come."""

    def __init__(
        self,
        config: TrainingConfig,
        task: Task,
        init: Weights | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        """From random weights, or from those of `init`, whose sizes it then has.

        Raises TrainingError when an option cannot be, or when there is too little text.
        """
        self.config = config.checked()
        self.task = task
        self.ranks = ranks or Alone()
        if init is not None:
            network_config, vector = init.network.config, init.network.vector
        else:
            network_config = config.make_network(task.tokenizer.vocabulary_size)
            vector = initial_parameters(network_config, np.random.default_rng(config.random_seed))
        self.batch_size = task.batch_size(config)
        plan = Plan.of(
            config, network_config, self.batch_size, self.ranks, task.tokenizer.forced_ids
        )
        self._team = Team(plan, self.ranks)
        self._team.arrays.parameters[:] = vector
        # of all that the weights will have learned, for their folder; see `Weights`
        self.originality = init.originality if init else None
        self.network = Network(network_config, self._team.arrays.parameters)
        self.progress = Progress(task.fingerprint, next_validation=1 / config.evaluations)

    @classmethod
    def resumed(
        cls,
        folder: Path,
        changes: dict[str, Any],
        make_task: Callable[[TrainingConfig, Weights], Task],
        ranks: Ranks | None = None,
    ) -> "Training":
        """The run whose last checkpoint is in `folder`, to go on as if it had not stopped.

        `changes` may prolong it or say how it is watched (RESUMABLE), but not change what it
        computes. Raises WeightsError without a checkpoint, TrainingError for other songs.
        """
        for name in sorted(changes.keys() - RESUMABLE):
            raise TrainingError(f"{name} cannot change when a run is resumed.")
        saved = checkpoint.load(folder)
        config = TrainingConfig(**{**saved.weights.training, **changes})
        training = cls(config, make_task(config, saved.weights), saved.weights, ranks)
        if saved.progress.songs != training.progress.songs:
            raise TrainingError(
                f"{folder} was trained on other songs; resume with the corpus it began with."
            )
        arrays = training._team.arrays
        arrays.slots[:] = saved.slots
        arrays.average[:] = saved.average
        arrays.state[:] = saved.state[..., training._team.plan.own_columns]
        training.progress = saved.progress
        return training

    def run(
        self, folder: Path, listener: Listener, stop_requested: Callable[[], bool]
    ) -> Evaluation:
        """Train to the end or until `stop_requested`; leave the best and the last in `folder`.

        Returns the best validation. Raises TrainingError when the run diverges; the best weights
        and the last checkpoint before it stay.
        """
        with self._team:
            finished = self._run(folder, listener, stop_requested)
        if finished and self.config.temperature_fit and self.ranks.rank == 0:
            self._fit_temperature(folder)
        best = self.ranks.from_first(self.progress.best)
        assert best is not None
        return Evaluation(**best)

    def _run(self, folder: Path, listener: Listener, stop_requested: Callable[[], bool]) -> bool:
        """Whether the run has come to its end."""
        config = self.config
        saved = time.monotonic()
        while self.share < 1:
            count = self.task.segments_in_epoch(self.progress.epoch, self.batch_size, config.steps)
            parts = self.task.stream.segments(
                self.progress.epoch, self.batch_size, config.steps, self.progress.segment
            )
            for inputs, targets in parts:
                began = time.monotonic()
                rate = learning_rate_at(
                    self.share, config.learning_rate, config.schedule, config.warm_up
                )
                loss, norm = self._step(inputs, targets, rate)
                self._check_divergence(loss, folder)
                self.progress.step += 1
                self.progress.segment += 1
                self.progress.epoch_share = self.progress.segment / count
                elapsed = time.monotonic() - began
                self.progress.seconds = self.ranks.from_first(self.progress.seconds + elapsed)
                listener.stepped(
                    Step(
                        self.progress.step,
                        self.share,
                        self.progress.epoch + self.progress.epoch_share,
                        loss,
                        rate,
                        norm,
                        inputs.size / elapsed,
                        self.progress.seconds,
                    )
                )
                stopping = self.ranks.from_first(stop_requested())
                if self.share >= min(1, self.progress.next_validation) or (
                    stopping and self.progress.best is None
                ):
                    self._validate(folder, listener)
                due = time.monotonic() - saved > 60 * config.checkpoint_minutes
                if self.ranks.from_first(stopping or due):
                    self.save(folder)
                    saved = time.monotonic()
                if stopping:
                    return False
                if self.share == 1:
                    break
            if self.progress.segment == count:
                self.progress.epoch += 1
                self.progress.segment, self.progress.epoch_share = 0, 0.0
        self.save(folder)
        return True

    @property
    def share(self) -> float:
        """The share of the run that is done, 0 to 1."""
        progress, config = self.progress, self.config
        if config.patience and progress.worse_in_a_row >= config.patience:
            return 1.0
        if config.minutes is not None:
            return min(1.0, progress.seconds / (60 * config.minutes))
        return min(1.0, (progress.epoch + progress.epoch_share) / config.epochs)

    def save(self, folder: Path) -> None:
        """Write the last checkpoint."""
        arrays = self._team.arrays
        state = self.ranks.joined(arrays.state)
        if self.ranks.rank == 0:
            task = self.task
            weights = Weights(
                self.network,
                task.tokenizer,
                task.genres,
                asdict(self.config),
                originality=self.originality,
            )
            checkpoint.save(
                folder, Checkpoint(weights, arrays.slots, arrays.average, state, self.progress)
            )

    def _step(self, inputs: Ids, targets: Ids, learning_rate: float) -> tuple[float, float]:
        """One update from a segment (T, B); the mean nats per token, and the gradient's norm."""
        progress = self.progress
        if self._team.plan.averaging.running(progress.averaging):
            progress.averaging.count += 1
        return self._team.step(
            inputs,
            targets,
            progress.step,
            learning_rate,
            progress.averaging.count,
            # an epoch begins at other places than the last one ended
            fresh=progress.segment == 0,
            contrast=self._contrast(),
        )

    def _contrast(self) -> Contrast | None:
        """The genres that the next step tells apart."""
        passages = self.task.genre_passages
        if passages is None:
            return None
        return passages.contrast(self.progress.step, self.batch_size, self.config.steps)

    def _check_divergence(self, loss: float, folder: Path) -> None:
        progress = self.progress
        mean = progress.mean_loss
        mean = loss if mean is None else LOSS_MEMORY * mean + (1 - LOSS_MEMORY) * loss
        lowest = mean if progress.lowest_loss is None else min(mean, progress.lowest_loss)
        if not np.isfinite(loss) or mean > DIVERGED * lowest:
            what = "is no longer finite" if not np.isfinite(loss) else f"rose to {mean:.2f}"
            raise TrainingError(
                f"The loss {what} at step {progress.step + 1}: train again with a lower "
                f"--learning-rate. The best weights so far stay in {folder}."
            )
        progress.mean_loss, progress.lowest_loss = mean, lowest

    def _candidate(self) -> Network:
        """The network to judge: the average of the weights, where there is one."""
        if not self.progress.averaging.count:
            return self.network
        return Network(self.network.config, self._team.arrays.average)

    def _weights(self, network: Network, evaluation: Evaluation) -> Weights:
        """A network with what its folder says of it."""
        figures = {
            "epochs_done": round(self.progress.epoch + self.progress.epoch_share, 3),
            "seconds": round(self.progress.seconds),
            "validation_bits_per_character": round(evaluation.bits_per_character, 4),
            "validation_perplexity": round(evaluation.perplexity, 3),
            "validation_songs": evaluation.songs,
            "held_out": self.task.held_out,
        }
        training = {**asdict(self.config), **figures}
        return Weights(
            network, self.task.tokenizer, self.task.genres, training, originality=self.originality
        )

    def _validate(self, folder: Path, listener: Listener) -> None:
        """Measure, and keep the best; on rank 0, for whose result the others wait."""
        progress, plan = self.progress, self._team.plan
        began, share = time.monotonic(), self.share
        if self.ranks.rank == 0:
            network = self._candidate()
            evaluation = self.task.evaluate(network)
            best = progress.best is None or (
                evaluation.bits_per_character < Evaluation(**progress.best).bits_per_character
            )
            progress.worse_in_a_row = 0 if best else progress.worse_in_a_row + 1
            if best:
                progress.best = asdict(evaluation)
            plan.averaging.validated(progress.averaging, evaluation.nats_per_token)
            weights = self._weights(network, evaluation)
            if best:
                save_weights(weights, folder, model_card(weights, folder.name))
            listener.validated(Validation(progress.step, share, evaluation, best), weights)
            progress.seconds += time.monotonic() - began
            cost = self.share - share  # above 0 only where the run is measured in minutes
            progress.next_validation = self.share + max(1 / self.config.evaluations, 5 * cost)
        self.progress = self.ranks.from_first(progress)

    def _fit_temperature(self, folder: Path) -> None:
        """Scale the best weights' logits so that the held-out text becomes likelier, if it does."""
        kept = load_weights(folder)

        def at(temperature: float) -> Evaluation:
            vector = with_temperature(kept.network, temperature)
            return self.task.evaluate(Network(kept.network.config, vector))

        before = at(1.0)
        temperature = lowest_point(lambda tried: at(tried).nats_per_token, before.nats_per_token)
        fitted = at(temperature)
        if fitted.nats_per_token >= before.nats_per_token:
            return
        self.progress.best = asdict(fitted)
        network = Network(kept.network.config, with_temperature(kept.network, temperature))
        figures = {
            **kept.training,
            "validation_bits_per_character": round(fitted.bits_per_character, 4),
            "validation_perplexity": round(fitted.perplexity, 3),
            "temperature": round(temperature, 4),
        }
        weights = replace(kept, network=network, training=figures)
        save_weights(weights, folder, model_card(weights, folder.name))


def lowest_point(measure: Callable[[float], float], at_one: float) -> float:
    """Where `measure`, whose value at 1 is `at_one`, is lowest, from 1 / TEMPERATURE_LIMIT up.

    Values are taken at growing distances until the lowest lies between two others; a parabola
    through the three says the rest.
    """
    found = {1.0: at_one}
    for factor in (TEMPERATURE_STEP, 1 / TEMPERATURE_STEP):
        tried = factor
        while 1 / TEMPERATURE_LIMIT < tried < TEMPERATURE_LIMIT:
            found[tried] = measure(tried)
            if found[tried] > min(found.values()):
                break
            tried *= factor
    temperatures = sorted(found)
    best = min(range(len(temperatures)), key=lambda i: found[temperatures[i]])
    around = temperatures[max(0, best - 1) : best + 2]
    if len(around) < 3:
        return temperatures[best]
    bend, slope, _ = np.polyfit(around, [found[tried] for tried in around], 2)
    return float(-slope / (2 * bend))
