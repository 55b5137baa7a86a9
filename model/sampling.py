"""From logits to a token: temperature, then nucleus (top-p) sampling (Holtzman et al. 2020)."""

import numpy as np
import numpy.typing as npt

from model.cells import Array

LIKELY = 256  # tokens that are sorted first; they nearly always hold the whole nucleus


def sample(
    logits: Array, draws: Array, *, temperature: float, top_p: float
) -> npt.NDArray[np.int64]:
    """One token id for each row.

    logits (B, V); a token at -inf is never chosen. draws (B,): uniform in [0, 1), one a row, so
    that the choice is a function of its inputs alone. Temperature 0 takes the likeliest token.
    Tokens are kept from the likeliest down until they hold `top_p` of the probability.
    """
    if temperature == 0:
        return np.asarray(logits.argmax(axis=1), np.int64)
    probabilities = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return np.array(
        [_sample_nucleus(row, draw, top_p) for row, draw in zip(probabilities, draws, strict=True)],
        np.int64,
    )


def _sample_nucleus(probabilities: Array, draw: float, top_p: float) -> int:
    """A token of the nucleus of probabilities (V,)."""
    likely = np.arange(len(probabilities))
    if len(likely) > LIKELY:
        likely = np.argpartition(-probabilities, LIKELY)[:LIKELY]
        if probabilities[likely].sum() < top_p:
            likely = np.arange(len(probabilities))
    # equal probabilities stand in the order of their ids
    order = likely[np.lexsort((likely, -probabilities[likely]))]
    cumulative = probabilities[order].astype(np.float64).cumsum()
    kept = int(np.searchsorted(cumulative, top_p)) + 1  # at least the likeliest
    cumulative = cumulative[:kept]
    place = int(np.searchsorted(cumulative, draw * cumulative[-1], side="right"))
    return int(order[min(place, len(cumulative) - 1)])
