"""Sampling: guidance, temperature, top-k, top-p and min-p, a row at a time whatever the batch."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from model.sampling import guided, sample, sample_softmax

PROBABILITIES = np.array([0.1, 0.5, 0.05, 0.3, 0.05])
LOGITS = np.log(PROBABILITIES)


@dataclass
class Options:
    """Sampling options of one row."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0


OFF = Options()


def tokens(logits: npt.ArrayLike, draws: npt.ArrayLike, rows: list[Options]) -> npt.NDArray[Any]:
    return sample(
        np.asarray(logits),
        np.asarray(draws),
        temperature=np.array([row.temperature for row in rows]),
        top_k=np.array([row.top_k for row in rows]),
        top_p=np.array([row.top_p for row in rows]),
        min_p=np.array([row.min_p for row in rows]),
    )


def frequencies(options: Options, logits: npt.NDArray[Any] = LOGITS) -> npt.NDArray[Any]:
    """How often each token comes of evenly spread draws."""
    draws = (np.arange(1000) + 0.5) / 1000
    rows = np.repeat(logits[None], len(draws), axis=0)
    return np.bincount(tokens(rows, draws, [options] * 1000), minlength=len(logits)) / 1000


def test_with_all_options_off_tokens_come_as_often_as_their_probability() -> None:
    np.testing.assert_allclose(frequencies(OFF), PROBABILITIES, atol=2e-3)


def test_guidance_multiplies_what_a_prompt_does_to_each_token_but_for_some() -> None:
    told, untold = np.random.default_rng(1).dirichlet(np.ones(6), 2)
    kept, scale = [1, 4], 3.0
    logits = guided(np.log([told]) + 7, np.log([untold]) - 2, np.array([scale]), np.array(kept))
    expected = untold * (told / untold) ** scale
    expected[kept] = 0
    expected *= (1 - told[kept].sum()) / expected.sum()
    expected[kept] = told[kept]
    np.testing.assert_allclose(np.exp(logits), [expected])
    one = guided(np.log([told]), np.log([untold]), np.ones(1), np.array([], int))
    np.testing.assert_allclose(np.exp(one), [told])


def test_guidance_of_a_row_is_the_same_to_the_last_bit_whatever_rows_stand_beside_it() -> None:
    rng = np.random.default_rng(2)
    told, untold = rng.normal(0, 3, (2, 9, 700)).astype(np.float32)
    scale, kept = rng.uniform(1, 5, 9), np.array([3, 699])
    together = guided(told, untold, scale, kept)
    for row in range(9):
        some = slice(row, row + 1)
        alone = guided(told[some], untold[some], scale[some], kept)
        np.testing.assert_array_equal(together[some], alone)


def test_temperature_sharpens_and_zero_takes_the_likeliest() -> None:
    squared = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    np.testing.assert_allclose(frequencies(Options(0.5)), squared, atol=2e-3)
    np.testing.assert_allclose(frequencies(Options(0)), [0, 1, 0, 0, 0])


def test_at_temperature_zero_the_first_of_several_likeliest_is_taken_whatever_else_is_asked() -> (
    None
):
    logits = np.array([0.0, 2.0, 2.0, 2.0])
    assert frequencies(Options(0, 3, 0.9, 0.1), logits)[1] == 1


def test_top_k_keeps_so_many_and_those_tied_with_the_last() -> None:
    np.testing.assert_allclose(frequencies(Options(top_k=2)), [0, 5 / 8, 0, 3 / 8, 0], atol=2e-3)
    np.testing.assert_allclose(frequencies(Options(top_k=4)), PROBABILITIES, atol=2e-3)


def test_top_p_keeps_the_smallest_set_that_holds_that_share() -> None:
    np.testing.assert_allclose(frequencies(Options(top_p=0.7)), [0, 5 / 8, 0, 3 / 8, 0], atol=2e-3)
    np.testing.assert_allclose(frequencies(Options(top_p=0.01)), [0, 1, 0, 0, 0])
    assert np.count_nonzero(frequencies(Options(top_p=0.5), np.zeros(10))) == 5


def test_top_p_is_a_share_of_what_top_k_has_left() -> None:
    np.testing.assert_allclose(frequencies(Options(top_k=2, top_p=0.6)), [0, 1, 0, 0, 0])


def test_min_p_drops_what_is_less_likely_than_that_share_of_the_likeliest() -> None:
    expected = np.array([10, 50, 0, 30, 0]) / 90
    np.testing.assert_allclose(frequencies(Options(min_p=0.15)), expected, atol=2e-3)
    np.testing.assert_allclose(frequencies(Options(min_p=1)), [0, 1, 0, 0, 0])


@pytest.mark.parametrize("draw", [0.0, 0.5, np.nextafter(1.0, 0)])
@pytest.mark.parametrize(
    "options", [OFF, Options(0), Options(2, 3), Options(2, top_p=0.95), Options(2, min_p=0.1)]
)
def test_a_token_at_minus_infinity_never_comes_while_there_is_another(
    draw: float, options: Options
) -> None:
    logits = np.full((2, 4096), -np.inf, np.float32)
    logits[0, 1234] = -90
    assert tokens(logits, [draw, draw], [options, options]).tolist() == [1234, 0]


def test_one_temperature_for_all_rows_samples_from_the_whole_softmax() -> None:
    logits = np.random.default_rng(1).normal(0, 2, 300)
    expected = np.exp(logits / 0.8) / np.exp(logits / 0.8).sum()
    draws = (np.arange(10_000) + 0.5) / 10_000
    found = sample_softmax(np.repeat(logits[None], len(draws), axis=0), draws, 0.8)
    np.testing.assert_allclose(np.bincount(found, minlength=300) / 10_000, expected, atol=2e-4)


# --- against the plain way ------------------------------------------------------------------


def plain_probabilities(logits: list[float], options: Options) -> list[float] | None:
    """Of each token, in plain Python; None where a bound is too close to call in float32."""
    best = max(logits)
    if options.temperature == 0:
        return [float(i == logits.index(best)) for i in range(len(logits))]
    chances = [math.exp((logit - best) / options.temperature) for logit in logits]
    order = sorted(range(len(logits)), key=lambda i: -logits[i])
    kept = set(order)
    if options.top_k:
        kth = logits[order[min(options.top_k, len(order)) - 1]]
        kept = {i for i in kept if logits[i] >= kth}
    if options.top_p < 1:
        total = sum(chances[i] for i in kept)
        nucleus: set[int] = set()
        above = 0.0
        for i in order:
            if i in kept and above < options.top_p * total:
                nucleus.add(i)
                above += chances[i]
            if abs(above - options.top_p * total) < 1e-4 * total:
                return None
        kept = nucleus
    if any(abs(chance - options.min_p) < 1e-4 < chance < 1 for chance in chances):
        return None
    chances = [chance * (i in kept and chance >= options.min_p) for i, chance in enumerate(chances)]
    return [chance / sum(chances) for chance in chances]


all_options = st.builds(
    Options,
    st.sampled_from([0.0, 0.3, 0.8, 1.0, 2.0]),
    st.sampled_from([0, 1, 2, 5, 40, 300, 10_000]),
    st.sampled_from([0.01, 0.3, 0.9, 0.97, 1.0]),
    st.sampled_from([0.0, 0.02, 0.3, 1.0]),
)
some_logits = st.one_of(
    st.lists(st.integers(-4, 3).map(float) | st.just(-math.inf), min_size=1, max_size=90),
    st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).normal(0, 1, 700).round(1).tolist()
    ),
)


@settings(max_examples=60)
@given(some_logits, all_options)
def test_any_options_choose_as_the_plain_way_does(logits: list[float], options: Options) -> None:
    assume(max(logits) > -math.inf)
    expected = plain_probabilities(logits, options)
    assume(expected is not None)
    assert expected is not None
    draws = (np.arange(50) + 0.5) / 50
    rows = np.repeat(np.array([logits], np.float32), len(draws), axis=0)
    found = tokens(rows, draws, [options] * len(draws))
    reached = np.cumsum(expected)
    for draw, token in zip(draws, found, strict=True):
        assert expected[token] > 0
        assert reached[token] - expected[token] - 1e-4 <= draw <= reached[token] + 1e-4


# --- each row by itself ---------------------------------------------------------------------


def edges(logits: npt.NDArray[Any], rows: list[Options], rng: np.random.Generator) -> list[float]:
    """For each row, asked alone, a draw at which its token changes: the least bit tells on it."""
    found = []
    for row, options in zip(logits, rows, strict=True):
        low, high = sorted(rng.random(2))
        first = tokens(row[None], [low], [options])[0]
        while low < (middle := (low + high) / 2) < high:
            if tokens(row[None], [middle], [options])[0] == first:
                low = middle
            else:
                high = middle
        found.append(float(rng.choice([low, high])))
    return found


@pytest.mark.parametrize("size", [50, 700, 4096])
def test_a_rows_token_is_the_same_to_the_last_bit_whatever_rows_stand_beside_it(size: int) -> None:
    rng = np.random.default_rng(size)
    rows = [
        OFF, Options(0.8), Options(0), Options(0.8, min_p=0.02), Options(2, 40), Options(1, 300),
        Options(2, top_p=0.92), Options(0.8, top_p=0.5), Options(0.7, 50, 0.9, 0.1),
    ]  # fmt: skip
    logits = rng.normal(0, 3, (len(rows), size)).astype(np.float32)
    logits[rng.random(logits.shape) < 0.1] = -np.inf
    logits[6] = logits[6].round(1)
    draws = np.array(edges(logits, rows, rng))
    alone = [
        int(tokens(logits[i : i + 1], draws[i : i + 1], [rows[i]])[0]) for i in range(len(rows))
    ]
    for _ in range(30):
        some = rng.permutation(np.arange(len(rows)).repeat(2))[: rng.integers(2, 2 * len(rows))]
        beside = logits[some]
        if rng.random() < 0.5:
            beside = np.asfortranarray(beside)
        found = tokens(beside, draws[some], [rows[i] for i in some])
        assert found.tolist() == [alone[i] for i in some]
