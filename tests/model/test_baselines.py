"""The n-grams that the network is compared with: they are probabilities, and Kneser-Ney's."""

import numpy as np
import pytest

from benchmarks.character_ngrams import (
    BITS,
    END,
    LONGEST,
    MARKS,
    UNKNOWN,
    Alphabet,
    CharacterNgrams,
    Grams,
    Mixture,
    bits_per_symbol,
)
from model.corpus import Song

SONGS = [Song("Rain", "country", "rain on the road\n" * n + "home") for n in (1, 3, 2)] + [
    Song("Salt", "shanty", "salt in the wind\nhaul away, haul away")
]
ALPHABET = Alphabet(SONGS)


@pytest.mark.parametrize("framed", [False, True])
def test_one_symbol_is_foretold_for_each_character_and_each_end(framed: bool) -> None:
    grams = Grams.of(SONGS, ALPHABET, framed=framed)
    assert len(grams.keys) == sum(len(song.text) + 1 for song in SONGS)
    ends = grams.order(1) == END
    assert ends.sum() == len(SONGS)


@pytest.mark.parametrize("order", range(1, LONGEST + 1))
def test_the_probabilities_of_all_symbols_sum_to_one(order: int) -> None:
    model = CharacterNgrams(Grams.of(SONGS, ALPHABET, framed=False), ALPHABET)
    unseen = [Song(None, None, "the salt road zz?")]
    places = Grams.of([*SONGS, *unseen], ALPHABET, framed=False).keys[::7]
    symbols = np.array([END, UNKNOWN, *range(MARKS, MARKS + ALPHABET.predicted - 2)], np.uint64)
    contexts = places >> np.uint64(BITS) << np.uint64(BITS)
    keys = (contexts[:, None] | symbols).reshape(-1)
    found = model.probabilities(Grams(keys), order).reshape(len(places), len(symbols))
    assert (found > 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_a_symbol_is_likely_where_it_follows_many_others_not_where_it_is_frequent() -> None:
    # "u" stands more often than "a", but only ever behind "q": the example of Kneser & Ney 1995
    songs = [Song(None, None, "ququququququququ xaybzacadawa")]
    alphabet = Alphabet(songs)
    model = CharacterNgrams(Grams.of(songs, alphabet, framed=False), alphabet)
    new = Grams.of([Song(None, None, "za")], alphabet, framed=False)
    other = Grams.of([Song(None, None, "zu")], alphabet, framed=False)
    assert model.probabilities(new, 2)[1] > model.probabilities(other, 2)[1]


def test_longer_contexts_foretell_a_text_of_the_same_kind_better() -> None:
    model = CharacterNgrams(Grams.of(SONGS, ALPHABET, framed=False), ALPHABET)
    text = Grams.of([Song(None, None, "rain on the road\nhome")], ALPHABET, framed=False)
    bits = [bits_per_symbol(model.probabilities(text, order)) for order in (1, 2, 4)]
    assert bits == sorted(bits, reverse=True)


def test_a_mixture_takes_the_better_model_and_never_does_worse() -> None:
    good, bad = np.array([0.5, 0.6, 0.1]), np.array([0.1, 0.1, 0.4])
    mixture = Mixture(good, bad)
    assert 0 < mixture.share < 1
    best = bits_per_symbol(mixture.at(mixture.share))
    assert best <= min(bits_per_symbol(good), bits_per_symbol(bad))
    assert Mixture(good, good / 2).share == 1
