"""From logits to a token: temperature, then nucleus (top-p) sampling (Holtzman et al. 2020)."""

import numpy as np
import numpy.typing as npt

from model.recurrence import Array

BLOCK = 64  # tokens whose probabilities are summed at once
LIKELY = 256  # tokens a row that are sorted first; they nearly always hold the whole nucleus


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
    if top_p >= 1:
        return _sample_all(logits, draws, temperature)
    probabilities = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    size = logits.shape[1]
    if size <= LIKELY:
        return _sample_sorted(probabilities, np.arange(size)[None], draws, top_p)
    likely = np.sort(np.argpartition(-probabilities, LIKELY, axis=1)[:, :LIKELY], axis=1)
    wide = np.take_along_axis(probabilities, likely, axis=1).sum(axis=1) < top_p
    tokens = np.empty(len(logits), np.int64)
    tokens[~wide] = _sample_sorted(probabilities[~wide], likely[~wide], draws[~wide], top_p)
    tokens[wide] = _sample_sorted(probabilities[wide], np.arange(size)[None], draws[wide], top_p)
    return tokens


def _sample_all(logits: Array, draws: Array, temperature: float) -> npt.NDArray[np.int64]:
    """Sample from the whole softmax, for which nothing needs to be sorted."""
    rows, size = logits.shape
    blocks = -(-size // BLOCK)
    exps = np.zeros((rows, blocks * BLOCK), logits.dtype)
    likelihood = exps[:, :size]
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=likelihood)
    likelihood /= temperature
    np.exp(likelihood, out=likelihood)
    # a running total of blocks, then one within the block that the draw falls in
    parts = exps.reshape(rows, blocks, BLOCK)
    block, reach = _reached(parts @ np.ones(BLOCK, exps.dtype), draws)
    within, _ = _reached(parts[np.arange(rows), block], reach)
    return block * BLOCK + within


def _reached(weights: Array, draws: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """The place in each row of weights (B, N) where draws (B,) of its total fall.

    Beside it, how far into that place they fall, from 0 to below 1. A weight of zero is never it.
    """
    cumulative = weights.cumsum(axis=1, dtype=np.float64)
    total = cumulative[:, -1]
    reach = np.minimum(draws * total, np.nextafter(total, 0))
    place = (cumulative > reach[:, None]).argmax(axis=1)
    chosen = weights[np.arange(len(weights)), place]
    before = cumulative[np.arange(len(weights)), place] - chosen
    return place, np.clip((reach - before) / chosen, 0, np.nextafter(1, 0))


def _sample_sorted(
    probabilities: Array, ids: npt.NDArray[np.integer], draws: Array, top_p: float
) -> npt.NDArray[np.int64]:
    """Sample among `ids`, (B, N) or (1, N) in rising order, of probabilities (B, V)."""
    ids = np.broadcast_to(ids, (len(probabilities), ids.shape[1]))
    chosen = np.take_along_axis(probabilities, ids, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")  # of equal ones the lower id first
    cumulative = np.take_along_axis(chosen, order, axis=1).cumsum(axis=1, dtype=np.float64)
    last = np.minimum((cumulative < top_p).sum(axis=1), ids.shape[1] - 1)  # of the nucleus
    rows = np.arange(len(ids))
    reached = cumulative <= (draws * cumulative[rows, last])[:, None]
    place = np.minimum(reached.sum(axis=1), last)
    return np.asarray(ids[rows, order[rows, place]], np.int64)
