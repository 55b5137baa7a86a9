"""Sampling: temperature and the nucleus."""

import numpy as np
import pytest

from model.sampling import sample

PROBABILITIES = np.array([0.1, 0.5, 0.05, 0.3, 0.05])
LOGITS = np.log(PROBABILITIES)


def frequencies(temperature: float, top_p: float, logits: np.ndarray = LOGITS) -> np.ndarray:
    """How often each token comes of evenly spread draws."""
    draws = (np.arange(10_000) + 0.5) / 10_000
    tokens = sample(
        np.repeat(logits[None], len(draws), axis=0), draws, temperature=temperature, top_p=top_p
    )
    return np.bincount(tokens, minlength=len(logits)) / len(draws)


def test_at_temperature_one_and_top_p_one_tokens_come_as_often_as_their_probability() -> None:
    np.testing.assert_allclose(frequencies(1, 1), PROBABILITIES, atol=1e-3)


def test_top_p_keeps_the_likeliest_tokens_that_hold_that_share() -> None:
    np.testing.assert_allclose(frequencies(1, 0.7), [0, 5 / 8, 0, 3 / 8, 0], atol=1e-3)
    np.testing.assert_allclose(frequencies(1, 0.01), [0, 1, 0, 0, 0])


def test_temperature_sharpens_and_zero_takes_the_likeliest() -> None:
    squared = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    np.testing.assert_allclose(frequencies(0.5, 1), squared, atol=1e-3)
    np.testing.assert_allclose(frequencies(0, 1), [0, 1, 0, 0, 0])


def test_a_forbidden_token_never_comes() -> None:
    logits = LOGITS.copy()
    logits[1] = -np.inf
    assert frequencies(1, 1, logits)[1] == 0
    assert frequencies(2, 0.95, logits)[1] == 0


@pytest.mark.parametrize("draw", [0.0, np.nextafter(1.0, 0)])
def test_the_outermost_draws_give_a_token_that_has_probability(draw: float) -> None:
    logits = np.array([[-np.inf, 0.0, -np.inf]])
    assert sample(logits, np.array([draw]), temperature=1, top_p=1)[0] == 1


def test_a_flat_distribution_over_a_large_vocabulary_is_sampled_from_all_of_it() -> None:
    logits = np.zeros((1, 5000))
    seen = {
        int(sample(logits, np.array([draw]), temperature=1, top_p=1)[0])
        for draw in np.linspace(0, 0.999, 50)
    }
    assert len(seen) == 50
    assert max(seen) > 4500


def test_tokens_of_a_large_vocabulary_come_as_often_as_their_probability() -> None:
    logits = np.random.default_rng(1).normal(0, 2, 300)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(frequencies(1, 1, logits), expected, atol=2e-4)
