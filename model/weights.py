"""A folder of weights: the network's tensors, its configuration, its tokenizer, its card.

model.safetensors holds float16 tensors under PyTorch's names; config.json the sizes, the genres
and how it was trained; tokenizer.json the vocabulary; originality.safetensors, which may be
missing, the word runs of the songs it learned. Nothing is ever unpickled. Every file is written to
a temporary name and renamed.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from model.cells import CELLS
from model.errors import ModelError, WeightsError
from model.network import Network, NetworkConfig, flat
from model.originality import NgramIndex
from model.recurrence import Parameters
from model.tokenizer import Tokenizer
from model.vocabulary import tokenizer_from_json

TENSORS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
ORIGINALITY = "originality.safetensors"
CARD = "README.md"


@dataclass(frozen=True)
class Weights:
    """What a folder of weights holds."""

    network: Network
    tokenizer: Tokenizer
    genres: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)  # options and figures, for the card
    digest: str = ""  # SHA-256 of what a lyric depends on: the tensors and the word runs
    originality: NgramIndex | None = None  # of the songs that it learned; None: not known


def save_weights(weights: Weights, folder: Path, card: str) -> None:
    """Write a folder of weights, tensors last, so that a folder with tensors is complete.

    Raises ModelError when it cannot be written.
    """
    half = {name: array.astype(np.float16) for name, array in weights.network.parameters.items()}
    config = {
        "network": weights.network.config.to_dict(),
        "genres": weights.genres,
        "training": weights.training,
    }
    write_file(folder / TOKENIZER, weights.tokenizer.to_json().encode())
    write_file(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
    write_file(folder / CARD, card.encode())
    if weights.originality is None:
        _remove(folder / ORIGINALITY)
    else:
        write_file(folder / ORIGINALITY, weights.originality.to_bytes())
    write_file(folder / TENSORS, safetensors.numpy.save(half))


def load_weights(folder: Path) -> Weights:
    """Read a folder of weights into float32. Raises WeightsError naming the file at fault."""
    refuse_without_weights(folder)
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        network_config = NetworkConfig(**config["network"])
        genres = tuple(str(genre) for genre in config["genres"])
        training = dict(config["training"])
        shapes = network_config.shapes()
        assert network_config.cell in CELLS
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise WeightsError(f"{folder / CONFIG} cannot be used: {error}.") from error
    try:
        tokenizer = tokenizer_from_json((folder / TOKENIZER).read_text("utf-8"))
    except (OSError, ValueError, WeightsError) as error:
        raise WeightsError(f"{folder / TOKENIZER} cannot be used: {error}.") from error
    data, tensors = _read_tensors(folder / TENSORS)
    _check_shapes(folder / TENSORS, tensors, shapes)
    if tokenizer.vocabulary_size != network_config.vocabulary_size:
        raise WeightsError(
            f"{folder}: the tokenizer has {tokenizer.vocabulary_size} tokens "
            f"but the network {network_config.vocabulary_size}; the files are of different models."
        )
    vector = flat(network_config, tensors).astype(np.float32)
    index = folder / ORIGINALITY
    originality = NgramIndex.read(index) if index.exists() else None
    known = originality.bits if originality else b""
    digest = hashlib.sha256(data + known).hexdigest()
    network = Network(network_config, vector)
    return Weights(network, tokenizer, genres, training, digest, originality)


def refuse_without_weights(folder: Path) -> None:
    """Raises WeightsError when a folder holds none."""
    if not (folder / TENSORS).is_file():
        raise WeightsError(
            f"{folder} holds no weights ({TENSORS} is missing): "
            "train some with `python -m model train`, or name another folder."
        )


def _read_tensors(path: Path) -> tuple[bytes, Parameters]:
    try:
        data = path.read_bytes()
        return data, safetensors.numpy.load(data)
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"{path} is damaged or cut short ({error}): copy it again or train anew."
        ) from error


def _check_shapes(path: Path, tensors: Parameters, shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: array.shape for name, array in tensors.items()}
    for name in sorted(found.keys() | shapes.keys()):
        if found.get(name) != shapes.get(name):
            raise WeightsError(
                f"{path}: tensor {name} has shape {found.get(name, 'none')} where {CONFIG} asks "
                f"for {shapes.get(name, 'none')}; these are weights of another shape."
            )
        if not np.isfinite(tensors[name]).all():
            raise WeightsError(f"{path}: tensor {name} holds values that are not finite.")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be removed: {error.strerror}.") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file or none: to a temporary name, synced, then renamed.

    Missing folders are made. Raises ModelError, and leaves an older file as it was, when it fails.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ModelError(f"{path} cannot be written: {error.strerror}.") from error
