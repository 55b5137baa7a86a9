"""How far back the error reaches: against central differences, and between the cells."""

from collections.abc import Sequence

import numpy as np
import pytest

from model.corpus import Song
from model.errors import TrainingError
from model.gradient_flow import (
    FlowTraining,
    GradientFlow,
    before_and_after,
    fresh_network,
    gradient_norms,
    train_cells,
    windows,
)
from model.network import Network, NetworkConfig
from model.tokenizer import CharacterTokenizer

TEXT = "the rain is on the road\nand on the rain\n" * 4
SONGS = [Song(f"Song {n}", "folk", TEXT) for n in range(4)]
CHARACTERS = CharacterTokenizer.train(f"{song.title}{song.genre}{song.text}" for song in SONGS)


@pytest.mark.parametrize("cell", ["lstm", "rnn", "mogrifier"])
def test_the_norms_agree_with_central_differences(cell: str) -> None:
    config = NetworkConfig(12, embedding_size=3, hidden_size=5, layers=2, cell=cell, tied=False)
    network = Network(config, fresh_network(config, 1).vector.astype(np.float64))
    rng = np.random.default_rng(2)
    ids = np.stack([rng.permutation(12)[:6] for _ in range(2)], axis=1)  # each token once
    targets = rng.integers(0, 12, ids.shape)

    norms, nats = gradient_norms(network, ids, targets)

    def last_nats() -> list[float]:
        return [float(x) for x in network.token_nats(ids, targets, network.zero_state(2))[0][-1]]

    np.testing.assert_allclose(nats[-1], last_nats())
    for k in range(6):
        for text in range(2):
            row = network.parameters["embedding.weight"][ids[5 - k, text]]
            slopes = []
            for e in range(3):
                kept = row[e]
                row[e] = kept + 1e-5
                above = last_nats()[text]
                row[e] = kept - 1e-5
                slopes.append((above - last_nats()[text]) / 2e-5)
                row[e] = kept
            assert norms[k, text] == pytest.approx(np.linalg.norm(slopes), rel=1e-4, abs=1e-10)


def test_many_texts_are_measured_as_each_alone() -> None:
    network = fresh_network(NetworkConfig(12, 4, 6, 1, "lstm"), 1)
    ids = np.random.default_rng(3).integers(0, 12, (9, 20))
    inputs, targets = ids[:-1], ids[1:]

    norms, _ = gradient_norms(network, inputs, targets)

    for text in (0, 17, 19):
        alone, _ = gradient_norms(network, inputs[:, [text]], targets[:, [text]])
        np.testing.assert_allclose(norms[:, [text]], alone, rtol=1e-9)


def flows(cells: Sequence[str], networks: Sequence[Network]) -> list[list[GradientFlow]]:
    return [
        before_and_after(cell, network, CHARACTERS, SONGS, 60, 8, 1)
        for cell, network in zip(cells, networks, strict=True)
    ]


def test_the_error_reaches_further_back_in_an_lstm_than_in_a_plain_cell() -> None:
    training = FlowTraining(hidden=16, length=61, steps=15, minutes=None, random_seed=1)
    cells = ["rnn", "lstm"]

    networks = train_cells(cells, CHARACTERS, SONGS, training, lambda *_: None, processes=1)

    plain, lstm = flows(cells, networks)
    for plain_flow, lstm_flow in zip(plain, lstm, strict=True):
        assert plain_flow.norms.shape == lstm_flow.norms.shape == (61, 8)
        assert lstm_flow.median[-1] > 100 * plain_flow.median[-1]
        assert plain_flow.reach is not None
        assert lstm_flow.reach is None or lstm_flow.reach > plain_flow.reach
    for before, after in (plain, lstm):
        assert (before.trained, after.trained) == (False, True)
        assert after.nats < before.nats


def test_a_window_is_a_run_of_tokens_and_its_targets_are_the_next_ones() -> None:
    inputs, targets = windows(np.arange(50), 7, 30, np.random.default_rng(1))

    assert inputs.shape == targets.shape == (7, 30)
    np.testing.assert_array_equal(np.diff(inputs, axis=0), 1)
    np.testing.assert_array_equal(targets, inputs + 1)


def test_too_little_text_is_refused() -> None:
    network = fresh_network(NetworkConfig(CHARACTERS.vocabulary_size, 4, 4, 1, "rnn"), 1)

    with pytest.raises(TrainingError, match="too little text"):
        before_and_after("plain", network, CHARACTERS, SONGS[:1], 5000, 8, 1)
