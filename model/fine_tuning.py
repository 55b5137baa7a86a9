"""Fine-tuning: a trained model learns a host's own songs in minutes, its vocabulary kept.

Nobody can say beforehand how large the steps should be or how often a small text may be read
before it is learned by heart; so held-out songs decide. Short trials choose the learning rate; a
long run with the best one ends when held-out songs get worse; where it did, a last run of about
that length lets the rate fall to zero there.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from model.card import model_card
from model.errors import TrainingError
from model.evaluation import Evaluation
from model.options import TrainingConfig
from model.originality import NgramIndex
from model.task import Task
from model.training import Listener, Step, Training, Validation
from model.weights import Weights, load_weights, save_weights

LEARNING_RATES = (5e-4, 1.5e-3, 4e-3)
TRIAL_SHARE = 0.08  # of the time, for each of them
PATIENCE = 3  # validations without a better one that end the long run
AGAIN_SHARE = 0.1  # of the time that must be left for a last run
SMALL_TEXT = 60_000  # characters; of less, words are picked up rather than a style

Told = Callable[[float, float], None]  # hears what is done, and of how much


@dataclass(frozen=True)
class FineTuned:
    """What came of it."""

    before: Evaluation  # of the held-out songs, with the weights it began with
    after: Evaluation
    learning_rate: float


class _Best(Listener):
    """Passes on what it hears, and remembers when the best validation was."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.epochs = 0.0

    def stepped(self, step: Step) -> None:
        self._listener.stepped(step)

    def validated(self, validation: Validation, weights: Weights) -> None:
        if validation.best:
            self.epochs = float(weights.training["epochs_done"])
        self._listener.validated(validation, weights)


class _Share(Listener):
    """Tells how much of a run is done, beside runs before it."""

    def __init__(self, before: int, runs: int, told: Told) -> None:
        self._before, self._runs = before, runs
        self._told = told

    def stepped(self, step: Step) -> None:
        self._told(self._before + step.share, self._runs)


def fine_tune(
    config: TrainingConfig,
    minutes: float,
    task: Task,
    init: Weights,
    originality: NgramIndex | None,
    folder: Path,
    listener: Listener,
    told: Told,
    stop_requested: Callable[[], bool],
) -> FineTuned:
    """Train `init` on a task for about so many minutes; leave the best weights in `folder`,
    where a model that stood there stays until they are known to be better.

    The learning rate and the length of the run are not those of `config` but what serves best.
    `originality` is the index of what `init` has learned and the new weights will have.
    `listener` hears the long run, `told` the others. When asked to stop, what is best so far is
    kept. Raises TrainingError when no weights foretell the held-out songs better than before.
    """
    ends = time.monotonic() + 60 * minutes
    before = task.evaluate(init.network)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        short, long = Path(name, "short"), Path(name, "long")

        def short_run(run: TrainingConfig, number: int, runs: int) -> Evaluation:
            listener = _Share(number, runs, told)
            return Training(run, task, init).run(short, listener, stop_requested)

        found: dict[float, float] = {}
        for number, rate in enumerate(LEARNING_RATES):
            trial = replace(
                config,
                learning_rate=rate,
                minutes=minutes * TRIAL_SHARE,
                evaluations=1,
                temperature_fit=False,
            )
            tried = short_run(trial, number, len(LEARNING_RATES))
            found[rate] = tried.bits_per_character
        rate = min(found, key=lambda tried: found[tried])
        chosen = replace(config, learning_rate=rate, patience=PATIENCE)
        left = max(ends - time.monotonic(), 1) / 60
        best = _Best(listener)
        after = Training(replace(chosen, minutes=left), task, init).run(long, best, stop_requested)
        kept = long
        left = (ends - time.monotonic()) / 60
        if left > AGAIN_SHARE * minutes and best.epochs and not stop_requested():
            last = replace(chosen, minutes=None, epochs=best.epochs, evaluations=2)
            again = short_run(last, 0, 1)
            if again.bits_per_character < after.bits_per_character:
                after, kept = again, short
        if after.bits_per_character >= before.bits_per_character:
            raise TrainingError(
                "No training made the held-out songs likelier: the model knows this style already, "
                "or there are too few songs to learn it from. Add songs, or give it more --minutes."
            )
        weights = replace(load_weights(kept), originality=originality)
        save_weights(weights, folder, model_card(weights, folder.name))
    return FineTuned(before, after, rate)
