"""Evaluation: figures by song, independent of batching and of the tokenizer's units."""

import math

import numpy as np
import pytest

from model.corpus import Song
from model.evaluation import Evaluation, evaluate
from model.frame import frame_song
from model.network import Network, NetworkConfig, initial_parameters
from model.tokenizer import TEXT, CharacterTokenizer

SONGS = [Song("Rain", "country", "rain on the road\n" * n + "home") for n in (1, 3, 9, 2)]
TOKENIZER = CharacterTokenizer.train([song.text for song in SONGS])


def network(seed: int = 1) -> Network:
    config = NetworkConfig(TOKENIZER.vocabulary_size, 6, 8, 2)
    return Network(config, initial_parameters(config, np.random.default_rng(seed)))


def test_songs_are_read_one_by_one_whatever_the_batch() -> None:
    together = evaluate(network(), TOKENIZER, SONGS)
    alone = [evaluate(network(), TOKENIZER, [song]) for song in SONGS]
    assert together.nats == pytest.approx(sum(one.nats for one in alone), rel=1e-5)
    assert together.tokens == sum(one.tokens for one in alone)
    assert together.songs == len(SONGS)


def test_only_the_text_and_the_end_are_counted() -> None:
    song = SONGS[0]
    ids = frame_song(TOKENIZER, song).ids()
    net = network()
    nats, _ = net.token_nats(
        np.array(ids[:-1])[:, None], np.array(ids[1:])[:, None], net.zero_state(1)
    )
    result = evaluate(net, TOKENIZER, [song])
    assert result.nats == pytest.approx(float(nats[ids.index(TEXT) :].sum()), rel=1e-5)
    assert result.tokens == result.characters == len(song.text) + 1


def test_the_figures_are_made_of_the_sums() -> None:
    result = Evaluation(nats=200 * math.log(2), tokens=50, characters=100, songs=1)
    assert result.bits_per_character == pytest.approx(2)
    assert result.nats_per_token == pytest.approx(4 * math.log(2))
    assert result.perplexity == pytest.approx(16)


def test_a_network_that_knows_nothing_needs_the_logarithm_of_the_vocabulary() -> None:
    net = network()
    for array in net.parameters.values():
        array[:] = 0
    result = evaluate(net, TOKENIZER, SONGS)
    assert result.perplexity == pytest.approx(TOKENIZER.vocabulary_size)
