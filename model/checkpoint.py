"""The last checkpoint of a run: everything that the next step depends on, in one file.

`last.safetensors` holds the float32 parameters, the optimizer's arrays and the carried state; its
metadata holds the run's options, the tokenizer, and how far the run has come. One file, renamed
into place, is whole or absent.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from model.errors import WeightsError
from model.network import Network, NetworkConfig, Parameters, State
from model.tokenizer import tokenizer_from_json
from model.weights import Weights, write_file

LAST = "last.safetensors"


@dataclass
class Progress:
    """How far a run has come."""

    tokens_in_epoch: int  # of the first epoch: tells one corpus from another
    step: int = 0
    epoch: int = 0  # whole epochs done
    segment: int = 0  # segments done of this epoch
    epoch_share: float = 0.0  # share of this epoch that is done
    seconds: float = 0.0  # spent in steps and validations
    next_validation: float = 0.0  # share of the run at which it is due
    best: dict[str, Any] | None = None  # the fields of the best Evaluation


@dataclass(frozen=True)
class Checkpoint:
    """A run at one moment; `weights.training` holds its options."""

    weights: Weights
    optimizer: Parameters
    state: State
    progress: Progress


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint. Raises ModelError when it cannot be written."""
    weights = checkpoint.weights
    arrays = {f"parameters.{name}": a for name, a in weights.network.parameters.items()}
    arrays |= {f"optimizer.{name}": array for name, array in checkpoint.optimizer.items()}
    arrays |= {
        f"state.{layer}.{i}": np.ascontiguousarray(array)
        for layer, layer_state in enumerate(checkpoint.state)
        for i, array in enumerate(layer_state)
    }
    metadata = {
        "progress": json.dumps(asdict(checkpoint.progress)),
        "network": json.dumps(weights.network.config.to_dict()),
        "tokenizer": weights.tokenizer.to_json(),
        "genres": json.dumps(weights.genres),
        "training": json.dumps(weights.training),
    }
    write_file(folder / LAST, safetensors.numpy.save(arrays, metadata))


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
            Network(config, _part(arrays, "parameters")),
            tokenizer_from_json(metadata["tokenizer"]),
            tuple(json.loads(metadata["genres"])),
            json.loads(metadata["training"]),
        )
        progress = Progress(**json.loads(metadata["progress"]))
        carried = _part(arrays, "state")
        arrays_a_layer = len(carried) // config.layers
        state = tuple(
            tuple(carried[f"{layer}.{i}"] for i in range(arrays_a_layer))
            for layer in range(config.layers)
        )
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or cut short ({error}): start anew.") from error
    return Checkpoint(weights, _part(arrays, "optimizer"), state, progress)


def _part(arrays: Parameters, name: str) -> Parameters:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }
