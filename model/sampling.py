"""From logits to a token: guidance, temperature, top-k, top-p and min-p, row by row of a batch.

Top-k as in Fan et al. 2018, top-p (the nucleus) as in Holtzman et al. 2020, min-p as in Nguyen et
al. 2024; meaning and order are those of Hugging Face's `generate`. Each comes down to the lowest
logit that a row keeps. Only top-k and top-p have to sort, and nearly always only the likeliest few.

A row's token is, bit for bit, a function of that row, whatever rows stand beside it: what is summed
lies in one block of one row, in a fixed order, and no matrix product is used.
"""

import numpy as np
import numpy.typing as npt

from model.recurrence import Array

BLOCK = 64  # tokens whose weights are summed at once
LIKELY = 256  # tokens of a row that are sorted at first

Ids = npt.NDArray[np.int64]
Counts = npt.NDArray[np.integer]


def sample(
    logits: Array, draws: Array, *, temperature: Array, top_k: Counts, top_p: Array, min_p: Array
) -> Ids:
    """One token id for each row: ids (B,).

    logits (B, V); a token at -inf is never chosen, but in a row of nothing else 0 is. draws (B,):
    uniform in [0, 1), so that the choice is a function of its inputs alone. The options (B,):
    temperature from 0, which takes the likeliest token, the first of several; top_k from 1, or 0
    for all, keeps what is tied with the k-th; top_p above 0, 1 for all, of what top_k has left;
    min_p from 0, for all, to 1, of the likeliest token's probability.
    """
    logits = _whole_blocks(logits)
    greedy = temperature == 0
    best = np.maximum(logits.max(axis=1), np.finfo(logits.dtype).min)
    temperature = np.where(greedy, 1, temperature).astype(logits.dtype)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is a bound that all tokens reach
        bounds = best + temperature * np.log(np.where(greedy, 1, min_p).astype(logits.dtype))
    ranked = np.flatnonzero(~greedy & ((top_k > 0) | (top_p < 1)))
    if len(ranked):
        rows = logits[ranked], best[ranked], temperature[ranked]
        lowest, spare = _ranked(*rows, top_k[ranked], top_p[ranked], LIKELY)
        bounds[ranked] = np.maximum(bounds[ranked], lowest)
        logits = _without_spare(logits, ranked, lowest, spare)
    return _drawn(logits, best, temperature, bounds, np.where(greedy, 0, draws))


def guided(logits: Array, unguided: Array, scale: Array, kept: Ids) -> Array:
    """Logits (B, V) that mind a prompt more: classifier-free guidance (Sanchez et al. 2023).

    unguided (B, V): logits where the prompt is not told. scale (B,): 1 for the network's own
    distribution; from there on by how much more each token's logarithm of probability grows than
    the prompt lets it. The probabilities of the tokens `kept` stay the network's own.
    """
    own = logits - log_sum_exp(logits)[:, None]
    gain = own - unguided
    gain += log_sum_exp(unguided)[:, None]
    stay = own[:, kept]
    own[:, kept] = -np.inf
    rest = log_sum_exp(own)[:, None]
    own += (scale[:, None] - 1).astype(own.dtype) * gain
    own += rest - log_sum_exp(own)[:, None]
    own[:, kept] = stay
    return own


def log_sum_exp(logits: Array) -> Array:
    """ln of the sum of e^logits (B,) of each row of logits (B, V)."""
    highest = logits.max(axis=1)
    total: Array = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return total


def sample_softmax(logits: Array, draws: Array, temperature: float) -> Ids:
    """One token id for each row from its whole softmax, at one temperature for all rows."""
    rows = len(logits)
    return sample(
        logits,
        draws,
        temperature=np.full(rows, temperature),
        top_k=np.zeros(rows, np.int64),
        top_p=np.ones(rows),
        min_p=np.zeros(rows),
    )


def _whole_blocks(logits: Array) -> Array:
    """Logits (B, V) row by row in memory, and -inf behind them up to a multiple of BLOCK."""
    missing = -logits.shape[1] % BLOCK
    if missing:
        return np.pad(logits, ((0, 0), (0, missing)), constant_values=-np.inf)
    return np.ascontiguousarray(logits)


def _weights(logits: Array, best: Array, temperature: Array) -> Array:
    """Probabilities as shares of the likeliest token's; best and temperature a value a logit."""
    weights = logits - best
    weights /= temperature
    return np.exp(weights, out=weights)


def _ranked(
    logits: Array, best: Array, temperature: Array, top_k: Counts, top_p: Array, likely: int
) -> tuple[Array, Ids]:
    """The lowest logit (R,) that top-k and top-p keep, and how many tied there are too many.

    By the `likely` highest of each row; by more of them where those do not tell.
    """
    size = logits.shape[1]
    likely = min(likely, size)
    rows = np.arange(len(logits))
    highest = np.partition(logits, size - likely, axis=1)[:, size - likely :]
    order = np.sort(highest, axis=1)[:, ::-1].copy()  # (R, likely), falling
    weights = _weights(order, best[:, None], temperature[:, None])

    cut, nucleus = (top_k > 0) & (top_k < size), top_p < 1
    kth = order[rows, np.minimum(np.where(cut, top_k, 1), likely) - 1]
    kth = np.where(cut, kth, -np.inf)
    reached = np.where(order >= kth[:, None], weights, 0).cumsum(axis=1, dtype=np.float64)
    total = reached[:, -1].copy()
    whole = nucleus & ~cut
    all_weights = _weights(logits[whole], best[whole, None], temperature[whole, None])
    total[whole] = all_weights.sum(axis=1)
    count = np.minimum((reached < (top_p * total)[:, None]).sum(axis=1) + 1, likely)
    lowest = np.where(nucleus, order[rows, count - 1], kth)
    spare = np.where(nucleus, (order >= lowest[:, None]).sum(axis=1) - count, 0)

    if likely < size:
        last = order[:, -1]  # if this is kept, so may be what comes behind it
        more = np.flatnonzero((cut & (last >= kth)) | (nucleus & (last >= lowest)))
        if len(more):
            some = logits[more], best[more], temperature[more], top_k[more], top_p[more]
            lowest[more], spare[more] = _ranked(*some, 4 * likely)
    return lowest, spare


def _without_spare(logits: Array, ranked: Ids, lowest: Array, spare: Ids) -> Array:
    """The logits with the last `spare` tokens that are at `lowest` taken out of each ranked row."""
    if not spare.any():
        return logits
    logits = logits.copy()
    for row, bound, count in zip(ranked, lowest, spare, strict=True):
        if count:
            logits[row, np.flatnonzero(logits[row] == bound)[-count:]] = -np.inf
    return logits


def _drawn(logits: Array, best: Array, temperature: Array, bounds: Array, draws: Array) -> Ids:
    """The id (B,) where each draw falls among the weights of the tokens that reach the bound.

    First the block of tokens that it falls in, then the token; both in the order of the ids.
    """
    block, rest = _reached(_block_sums(logits, best, temperature, bounds), draws)
    rows = np.arange(len(logits))
    part = logits.reshape(len(rows), -1, BLOCK)[rows, block]
    weights = _weights(part, best[:, None], temperature[:, None])
    within, _ = _reached(np.where(part >= bounds[:, None], weights, 0), rest)
    return block * BLOCK + within


def _block_sums(logits: Array, best: Array, temperature: Array, bounds: Array) -> Array:
    """The weights of each block (B, V / BLOCK), of the tokens that reach the bound of their row."""
    rows, size = logits.shape
    sums = np.empty((rows, size // BLOCK))
    plain = bounds == -np.inf
    if not plain.all():  # most rows keep few tokens: no other weight is computed
        kept = np.flatnonzero(logits >= np.where(plain, np.inf, bounds)[:, None])
        row = kept // size
        weights = _weights(logits.reshape(-1)[kept], best[row], temperature[row])
        sums[:] = np.bincount(kept // BLOCK, weights, sums.size).reshape(sums.shape)
    if plain.any():
        weights = _weights(logits[plain], best[plain, None], temperature[plain, None])
        sums[plain] = np.einsum("rbi->rb", weights.reshape(len(weights), -1, BLOCK))
    return sums


def _reached(weights: Array, draws: Array) -> tuple[Ids, Array]:
    """The place (B,) in each row of weights (B, N) where draws (B,) of its total fall.

    Beside it, how far into that place they fall, from 0 to below 1. A weight of zero is never it,
    unless all are.
    """
    rows = np.arange(len(weights))
    cumulative = weights.cumsum(axis=1, dtype=np.float64)
    total = cumulative[:, -1]
    reach = np.minimum(draws * total, np.nextafter(total, 0))
    place = (cumulative > reach[:, None]).argmax(axis=1)
    chosen = weights[rows, place]
    past = reach - (cumulative[rows, place] - chosen)
    rest = past / np.maximum(chosen, np.finfo(weights.dtype).tiny)
    return place, np.clip(rest, 0, np.nextafter(1, 0))
