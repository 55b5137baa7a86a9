"""Everything a person may tune in a training: one dataclass, for the command line and --config.

Each field holds its default, its help and its range, so `--help`, a TOML file and a resumed run
cannot disagree.
"""

import math
import os
from dataclasses import Field, dataclass, field, fields
from typing import Any

from model.averaging import AVERAGES, Averaging
from model.cells import CELLS
from model.dropout import Dropout
from model.errors import TrainingError
from model.network import NetworkConfig
from model.optimizers import OPTIMIZERS, Optimizer, make_optimizer
from model.schedules import SCHEDULES
from model.tokenizer import TOKENIZERS

# What may change when a run is resumed: its length and how it is watched, not what it computes.
RESUMABLE = {"epochs", "minutes", "evaluations", "checkpoint_minutes", "patience"}


def option_type(option: Field[Any]) -> type:
    """What an option's value is; one without a default is a float."""
    return float if option.default is None else type(option.default)


def _option(default: Any, text: str, **more: Any) -> Any:
    """A field that the command line shows with `text` as its help.

    choices: all allowed values. least, most: the range, both allowed. above, below: not allowed.
    """
    return field(default=default, metadata={"help": text, **more})


_SHARE = {"least": 0, "below": 1}


@dataclass(frozen=True)
class TrainingConfig:
    """The options of `train`; the command line and --config take these names."""

    tokenizer: str = _option("bpe", "what a token is", choices=TOKENIZERS)
    vocabulary: int = _option(4096, "tokens of a BPE or word vocabulary, at most", least=1)
    lower_case: bool = _option(False, "make words lower-case (word tokenizer)")
    minimum_count: int = _option(1, "how often a word must occur to be a token", least=1)
    rhyme_marks: bool = _option(True, "tell the network which lines rhyme, and how they sound")
    cell: str = _option("lstm", "recurrent cell", choices=tuple(CELLS))
    embedding: int = _option(256, "numbers that stand for a token", least=1)
    hidden: int = _option(512, "units of a recurrent layer", least=1)
    layers: int = _option(2, "recurrent layers", least=1)
    tied: bool = _option(True, "let the softmax share the embedding's matrix")
    optimizer: str = _option("adam", "how gradients become steps", choices=tuple(OPTIMIZERS))
    learning_rate: float = _option(2e-3, "highest step size", above=0)
    schedule: str = _option("cosine", "how the step size falls", choices=SCHEDULES)
    warm_up: float = _option(0.02, "share of the run in which the step size rises", **_SHARE)
    momentum: float = _option(0.0, "share of the last step that goes on (sgd)", **_SHARE)
    decay: float = _option(0.9, "memory of the mean square (rmsprop)", **_SHARE)
    beta1: float = _option(0.9, "memory of the mean (adam)", **_SHARE)
    beta2: float = _option(0.999, "memory of the mean square (adam)", **_SHARE)
    weight_decay: float = _option(0.0, "pull of the weights to zero; adam becomes AdamW", least=0)
    epochs: float = _option(10.0, "how often each song is seen", above=0)
    minutes: float | None = _option(None, "train this long instead of a number of epochs", above=0)
    batch: int = _option(64, "places in the songs that are read at once, at most", least=1)
    steps: int = _option(64, "tokens that the error flows back over", least=1)
    dropout: float = _option(0.2, "share of units that rest between layers", **_SHARE)
    embedding_dropout: float | None = _option(
        None, "share of embedded numbers that rest; without it, as dropout", **_SHARE
    )
    output_dropout: float | None = _option(
        None, "share of units that rest before the softmax; without it, as dropout", **_SHARE
    )
    recurrent_dropout: float = _option(
        0.0, "share of recurrent weights that rest (DropConnect)", **_SHARE
    )
    hold_dropout: bool = _option(True, "let the same units rest for a whole segment")
    drop_state: float = _option(
        0.1, "how often a segment starts from zero, as a lyric does", least=0, most=1
    )
    clip_norm: float = _option(1.0, "largest norm of the whole gradient", above=0)
    clip_value: float | None = _option(
        None, "largest element of the gradient; without it, any", above=0
    )
    clip_error: float = _option(6.0, "largest value of the error that flows back in time", above=0)
    genre_weight: float = _option(
        0.0, "weight of telling genres apart, beside foretelling the text", least=0
    )
    averaging: str = _option(
        "none",
        "average of the weights that is kept: over the run, or once stalled",
        choices=AVERAGES,
    )
    average_decay: float = _option(0.999, "memory of the exponential average", **_SHARE)
    patience: int = _option(
        0, "validations without a better one until the run ends; 0 for never", least=0
    )
    stall: int = _option(5, "validations without a better one that trigger the average", least=1)
    temperature_fit: bool = _option(
        True, "fit the softmax temperature to the held-out songs at the end"
    )
    evaluations: int = _option(10, "validations in the run, each with a sample", least=1)
    checkpoint_minutes: float = _option(3.0, "minutes between checkpoints", above=0)
    random_seed: int = _option(1, "same seed, same weights", least=0)
    processes: int = _option(0, "processes that share the work; 0 for one a core", least=0)

    def checked(self) -> "TrainingConfig":
        """Itself; raises TrainingError naming the first option that cannot be."""
        for option in fields(self):
            value = getattr(self, option.name)
            if value is None and option.default is None:
                continue
            kind = option_type(option)
            allowed = (int, float) if kind is float else (kind,)
            if type(value) not in allowed:
                raise TrainingError(f"{option.name} cannot be {value!r}.")
            choices = option.metadata.get("choices")
            if choices and value not in choices:
                raise TrainingError(f"{option.name} must be one of {', '.join(choices)}.")
            if kind in (int, float) and (text := _out_of_range(option, value)):
                raise TrainingError(f"{option.name} must be {text}.")
        return self

    def make_network(self, vocabulary_size: int) -> NetworkConfig:
        """The sizes of a network for so many tokens."""
        return NetworkConfig(
            vocabulary_size, self.embedding, self.hidden, self.layers, self.cell, self.tied
        )

    def make_optimizer(self) -> Optimizer:
        """The optimizer with its options."""
        return make_optimizer(
            self.optimizer,
            momentum=self.momentum,
            decay=self.decay,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
        )

    def make_averaging(self) -> Averaging:
        """The averaging of the weights with its options."""
        return Averaging(self.averaging, self.average_decay, self.stall)

    def make_dropout(self) -> Dropout:
        """What rests, and where."""
        return Dropout(
            embedding=self.dropout if self.embedding_dropout is None else self.embedding_dropout,
            layers=self.dropout,
            output=self.dropout if self.output_dropout is None else self.output_dropout,
            recurrent=self.recurrent_dropout,
            held=self.hold_dropout,
        )

    def members(self, columns: int, ranks: int) -> int:
        """Processes of one of `ranks` programs on this machine, for so many columns of a batch."""
        return max(1, min(self.processes or (os.cpu_count() or 1) // ranks, columns))


def _out_of_range(option: Field[Any], value: float) -> str | None:
    """What the value must be, if it is not."""
    limits = option.metadata
    if not math.isfinite(value):
        return "a finite number"
    if "least" in limits and value < limits["least"]:
        return f"at least {limits['least']}"
    if "above" in limits and value <= limits["above"]:
        return f"above {limits['above']}"
    if "most" in limits and value > limits["most"]:
        return f"at most {limits['most']}"
    if "below" in limits and value >= limits["below"]:
        return f"below {limits['below']}"
    return None
