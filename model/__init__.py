"""A numpy LSTM that learns lyrics and writes them; start at `model.load`."""

from model.errors import CorpusError, ModelError, RequestError, TrainingError, WeightsError
from model.lyric_model import LyricModel, load
from model.wish import (
    DEFAULT_LINES,
    MAX_LINES,
    MIN_LINES,
    OPTIONS,
    RHYMES,
    SEED_CHARACTERS,
    TITLE_CHARACTERS,
    Wish,
)
from model.writing import Lyric

__all__ = [
    "DEFAULT_LINES",
    "MAX_LINES",
    "MIN_LINES",
    "OPTIONS",
    "RHYMES",
    "SEED_CHARACTERS",
    "TITLE_CHARACTERS",
    "CorpusError",
    "Lyric",
    "LyricModel",
    "ModelError",
    "RequestError",
    "TrainingError",
    "WeightsError",
    "Wish",
    "load",
]
