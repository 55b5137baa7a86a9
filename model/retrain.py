"""Learning from ratings: make liked lyrics likelier and disliked ones less so, near the old model.

For a lyric of n tokens let r = (30 / n) sum log p(token) - log p_old(token), with p_old a frozen
copy. With s the logistic function, the loss is 1 - s(beta r) for a vote in favour and s(beta r)
for one against ("apo_zero", D'Oosterlinck et al. 2024, the unpaired form that suits few ratings).
Its gradient is cross-entropy with one weight a lyric, +-beta s (1 - s) 30 / n, so it fades where
the new model has moved far from the old one. Each step also rehearses songs of the corpus.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from model.blas import one_blas_thread
from model.corpus import Corpus, validation_songs
from model.errors import TrainingError
from model.evaluation import evaluate
from model.frame import frame_song, frame_wish, in_columns
from model.network import Ids, Network
from model.optimizers import Adam, clip_scale, squared_norm
from model.ratings import RatedLyric
from model.recurrence import Array
from model.tokenizer import Tokenizer
from model.weights import Weights
from model.wish import Wish

LEAST_LIKED = 5  # lyrics with more votes for than against
LEAST_HELD_OUT = 5  # rated lyrics; with fewer, none is held out
HELD_OUT_SHARE = 0.2
TOKENS_PER_LYRIC = 30.0  # the length that r is scaled to, so that long lyrics do not saturate s
REHEARSAL_CHARACTERS = 20_000_000  # of a larger corpus only songs spread over it are rehearsed
LARGEST_RISE = 0.02  # of held-out bits per character


@dataclass(frozen=True)
class RetrainConfig:
    """What a person may tune."""

    epochs: int = 8  # how often each rated lyric is seen, at most
    batch: int = 8  # rated lyrics, and songs rehearsed, in a step
    learning_rate: float = 2e-4
    beta: float = 0.1  # how soon a lyric that has moved stops to count
    random_seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What retraining did."""

    liked: int  # lyrics learned from with more votes for than against
    disliked: int
    epochs: int  # whose weights were kept
    bits_per_character_before: float  # on held-out songs
    bits_per_character_after: float
    held_out: int  # rated lyrics kept aside
    preference_before: float | None  # nats per token: liked minus disliked, of those kept aside
    preference_after: float | None


@dataclass(frozen=True)
class _Example:
    """A rated lyric as ids: what it was written from, and what was written."""

    prompt: list[int]
    written: list[int]
    vote: float  # weight of the votes for it minus those against it
    key: str


def retrain(
    weights: Weights,
    ratings: Sequence[RatedLyric],
    corpus: Corpus,
    config: RetrainConfig,
    progress: Callable[[int, int], None],
) -> tuple[Weights, Outcome]:
    """New weights that learned from ratings; the old ones are left as they are.

    progress hears (steps done, steps in all). Raises TrainingError when there is too little to
    learn from, or when no epoch's weights pass the gate: held-out bits per character may rise by
    LARGEST_RISE, and held-out ratings, if there are enough, must be foretold better than before.
    """
    examples = [e for rating in ratings if (e := _example(weights.tokenizer, rating)) is not None]
    learned, held_out = _split(examples)
    liked = _liked(learned)
    if liked < LEAST_LIKED:
        raise TrainingError(
            f"There is too little to learn from: {liked} liked lyrics, at least {LEAST_LIKED} are "
            "needed. Rate more lyrics and try again."
        )
    old, forced_ids = weights.network, weights.tokenizer.forced_ids
    new = Network(old.config, old.vector.copy())
    songs = validation_songs(corpus)
    with one_blas_thread():
        before = evaluate(old, weights.tokenizer, songs).bits_per_character
        preference_before = _preference(old, held_out, forced_ids)
        kept: tuple[Network, Outcome] | None = None
        for epoch in _epochs(new, old, learned, weights.tokenizer, corpus, config, progress):
            after = evaluate(new, weights.tokenizer, songs).bits_per_character
            preference = _preference(new, held_out, forced_ids)
            if after > before * (1 + LARGEST_RISE):
                break
            if preference is None or preference_before is None or preference > preference_before:
                outcome = Outcome(
                    liked,
                    len(learned) - liked,
                    epoch,
                    before,
                    after,
                    len(held_out),
                    preference_before,
                    preference,
                )
                kept = Network(new.config, new.vector.copy()), outcome
    if kept is None:
        raise TrainingError(
            "The new weights did not pass: they foretell the songs or the ratings kept aside "
            "worse than the old ones. Nothing was written; rate more lyrics and try again."
        )
    network, outcome = kept
    training = {**weights.training, "retrained_from": weights.digest[:8], **asdict(outcome)}
    return replace(weights, network=network, training=training, digest=""), outcome


def _example(tokenizer: Tokenizer, rating: RatedLyric) -> _Example | None:
    """None when the votes are even, or when nothing but the seed stands in the text.

    The seed's few tokens count as written: where its last one ends depends on what follows.
    """
    vote = rating.liked - rating.disliked
    if vote == 0 or rating.text == (rating.seed or ""):
        return None
    prompt = frame_wish(tokenizer, Wish(None, rating.genre, rating.title))
    return _Example(prompt, tokenizer.encode_lines(rating.text), vote, rating.text)


def _split(examples: Sequence[_Example]) -> tuple[list[_Example], list[_Example]]:
    """Lyrics to learn from, and lyrics held out by a hash of their text to judge by."""
    learned: list[_Example] = []
    held_out: list[_Example] = []
    for example in examples:
        place = int.from_bytes(hashlib.sha256(example.key.encode()).digest()[:8], "big") / 2**64
        (held_out if place < HELD_OUT_SHARE else learned).append(example)
    votes = {example.vote > 0 for example in held_out}
    if len(held_out) < LEAST_HELD_OUT or len(votes) < 2 or _liked(learned) < LEAST_LIKED:
        return list(examples), []
    return learned, held_out


def _liked(examples: Sequence[_Example]) -> int:
    return sum(example.vote > 0 for example in examples)


def _epochs(
    new: Network,
    old: Network,
    learned: Sequence[_Example],
    tokenizer: Tokenizer,
    corpus: Corpus,
    config: RetrainConfig,
    progress: Callable[[int, int], None],
) -> Iterator[int]:
    """Train `new` in place; yields the number of each finished epoch."""
    votes = _balanced_votes(learned)
    forced_ids = tokenizer.forced_ids
    reference = _log_probabilities(old, learned, forced_ids)
    rehearsed_songs = (corpus.part("train") or corpus).spread(REHEARSAL_CHARACTERS)
    songs = [frame_song(tokenizer, song).ids() for song in rehearsed_songs]
    rng = np.random.default_rng(config.random_seed)
    optimizer = Adam()
    slots = np.zeros((optimizer.slots, len(new.vector)), np.float32)
    steps = -(-len(learned) // config.batch)
    for epoch in range(1, config.epochs + 1):
        order = rng.permutation(len(learned))
        for step in range(steps):
            rows = order[step * config.batch : (step + 1) * config.batch]
            batch = [learned[i] for i in rows]
            moved = _log_probabilities(new, batch, forced_ids) - reference[rows]
            scale = TOKENS_PER_LYRIC / np.array([len(example.written) for example in batch])
            s = np.exp(-np.logaddexp(0, -config.beta * scale * moved))
            weights = votes[rows] * config.beta * scale * s * (1 - s) / len(batch)
            gradient = _gradient(new, *_padded(batch, forced_ids), weights)
            rehearsed = [songs[i] for i in rng.integers(len(songs), size=len(batch))]
            ids, counted = in_columns([(song[:1], song[1:]) for song in rehearsed], forced_ids)
            even = np.full(len(rehearsed), 1 / counted.sum())
            gradient += _gradient(new, ids, counted, even)
            gradient *= clip_scale(squared_norm(gradient) ** 0.5, 1.0)
            number = (epoch - 1) * steps + step + 1
            optimizer.update(new.vector, gradient, slots, config.learning_rate, number)
            progress(number, config.epochs * steps)
        yield epoch


def _balanced_votes(examples: Sequence[_Example]) -> npt.NDArray[np.float64]:
    """Votes scaled so that a liked lyric weighs 1 on average, and all disliked as all liked."""
    votes = np.array([example.vote for example in examples], np.float64)
    liked, disliked = votes > 0, votes < 0
    votes[liked] /= votes[liked].mean()
    if disliked.any():
        votes[disliked] *= votes[liked].sum() / -votes[disliked].sum()
    return votes


def _gradient(
    network: Network, ids: Ids, counted: Array, weights: npt.NDArray[np.float64]
) -> Array:
    """Gradient (N,) of sum over songs of weight * nats of its counted tokens; from zero state."""
    per_token = (counted * weights).astype(network.dtype)
    state = network.zero_state(ids.shape[1])
    return network.loss_and_gradients(ids[:-1], ids[1:], per_token, state).vector


def _log_probabilities(
    network: Network, examples: Sequence[_Example], forced_ids: range, batch: int = 32
) -> npt.NDArray[np.float64]:
    """log p of what was written, in nats, for each example."""
    totals = [np.zeros(0)]
    for start in range(0, len(examples), batch):
        ids, counted = _padded(examples[start : start + batch], forced_ids)
        nats, _ = network.token_nats(ids[:-1], ids[1:], network.zero_state(ids.shape[1]))
        totals.append(-(nats * counted).sum(axis=0, dtype=np.float64))
    return np.concatenate(totals)


def _preference(network: Network, held_out: Sequence[_Example], forced_ids: range) -> float | None:
    """How much likelier, in nats per token, liked lyrics are than disliked ones."""
    if not held_out:
        return None
    lengths = np.array([len(example.written) for example in held_out])
    per_token = _log_probabilities(network, held_out, forced_ids) / lengths
    liked = np.array([example.vote > 0 for example in held_out])
    return float(per_token[liked].mean() - per_token[~liked].mean())


def _padded(examples: Sequence[_Example], forced_ids: range) -> tuple[Ids, Array]:
    return in_columns([(example.prompt, example.written) for example in examples], forced_ids)
