"""The last checkpoint of a run: everything that the next step depends on, in one file.

`last.safetensors` holds the float32 parameters, the optimizer's arrays, the average of the
weights, the carried state and the index of word runs, where there is one; its metadata holds the
run's options, the tokenizer, and how far the run has come. One file, renamed into place, is whole
or absent.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from model.averaging import AveragingState
from model.errors import WeightsError
from model.network import Network, NetworkConfig
from model.originality import NgramIndex
from model.recurrence import Array
from model.vocabulary import tokenizer_from_json
from model.weights import Weights, write_file

LAST = "last.safetensors"


@dataclass
class Progress:
    """How far a run has come."""

    songs: str  # the fingerprint of what is learned: a run goes on with nothing else
    step: int = 0
    epoch: int = 0  # whole epochs done
    segment: int = 0  # segments done of this epoch
    epoch_share: float = 0.0  # share of this epoch that is done
    seconds: float = 0.0  # spent in steps and validations
    next_validation: float = 0.0  # share of the run at which it is due
    best: dict[str, Any] | None = None  # the fields of the best Evaluation
    worse_in_a_row: int = 0  # validations since the best
    mean_loss: float | None = None  # of the last steps
    lowest_loss: float | None = None  # the lowest such mean so far
    averaging: AveragingState = field(default_factory=AveragingState)


@dataclass(frozen=True)
class Checkpoint:
    """A run at one moment; `weights.training` holds its options."""

    weights: Weights
    slots: Array  # (S, N), the optimizer's
    average: Array  # (N,), or (0,) without averaging
    state: Array  # (L, arrays carried, H, B)
    progress: Progress


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint. Raises ModelError when it cannot be written."""
    weights = checkpoint.weights
    arrays = {
        "parameters": weights.network.vector,
        "slots": checkpoint.slots,
        "average": checkpoint.average,
        "state": checkpoint.state,
    }
    index = weights.originality
    if index is not None:
        arrays["word_runs"] = np.frombuffer(index.bits, np.uint8)
    metadata = {
        "word_runs": json.dumps(index and {"n": index.n, "hashes": index.hashes}),
        "progress": json.dumps(asdict(checkpoint.progress)),
        "network": json.dumps(weights.network.config.to_dict()),
        "tokenizer": weights.tokenizer.to_json(),
        "genres": json.dumps(weights.genres),
        "training": json.dumps(weights.training),
    }
    data = safetensors.numpy.save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata
    )
    write_file(folder / LAST, data)


def load(folder: Path) -> Checkpoint:
    """Read the checkpoint. Raises WeightsError when there is none or it is damaged."""
    path = folder / LAST
    if not path.is_file():
        raise WeightsError(f"{folder} holds no run to resume ({LAST} is missing).")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = NetworkConfig(**json.loads(metadata["network"]))
        weights = Weights(
            Network(config, arrays["parameters"]),
            tokenizer_from_json(metadata["tokenizer"]),
            tuple(json.loads(metadata["genres"])),
            json.loads(metadata["training"]),
            originality=_word_runs(json.loads(metadata["word_runs"]), arrays),
        )
        progress = Progress(**json.loads(metadata["progress"]))
        progress.averaging = AveragingState(**asdict(progress)["averaging"])
        return Checkpoint(weights, arrays["slots"], arrays["average"], arrays["state"], progress)
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or cut short ({error}): start anew.") from error


def _word_runs(options: dict[str, int] | None, arrays: Mapping[str, Array]) -> NgramIndex | None:
    return None if options is None else NgramIndex(**options, bits=arrays["word_runs"].tobytes())
