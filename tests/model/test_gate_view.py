"""What a layer did over a text, which units are drawn, and the picture."""

from pathlib import Path

import numpy as np
import pytest

from model.corpus import Song
from model.errors import RequestError
from model.gate_view import MOST_TOKENS, NAMED, draw_gates, read_text, shown_units
from model.network import Network, NetworkConfig, initial_parameters
from model.sensitivity import sensitivity
from model.tokenizer import CharacterTokenizer
from model.weights import Weights

TEXT = 'He said "the rain"\nfell on the train for $5 or $6'
SONGS = [Song("Rain", "folk", TEXT)]
CHARACTERS = CharacterTokenizer.train([f"{TEXT}Rainfolk"])


def weights(cell: str, layers: int = 2) -> Weights:
    config = NetworkConfig(CHARACTERS.vocabulary_size, 8, 12, layers, cell)
    network = Network(config, initial_parameters(config, np.random.default_rng(1)))
    return Weights(network, CHARACTERS, ("folk",))


@pytest.mark.parametrize("cell", ["lstm", "mogrifier"])
def test_every_gate_and_state_is_read_for_every_token(cell: str) -> None:
    reading = read_text(weights(cell), TEXT, 1)

    assert "".join(reading.tokens) == TEXT
    assert {name.split()[-1] for name in reading.maps} == set("ifgoch")
    assert {values.shape for values in reading.maps.values()} == {(12, len(TEXT))}
    maps = {name.split()[-1]: values for name, values in reading.maps.items()}
    c, f, i, g = maps["c"], maps["f"], maps["i"], maps["g"]
    np.testing.assert_allclose(c[:, 1:], f[:, 1:] * c[:, :-1] + (i * g)[:, 1:], atol=1e-6)
    np.testing.assert_allclose(maps["h"], maps["o"] * np.tanh(c), atol=1e-6)
    assert reading.state is c


def test_a_plain_cell_has_its_hidden_state_alone() -> None:
    reading = read_text(weights("rnn"), TEXT, 0)

    assert list(reading.maps) == ["hidden state h"]
    assert reading.state.shape == (12, len(TEXT))


def test_the_units_drawn_are_the_sensitive_ones_and_then_the_most_changing() -> None:
    model = weights("lstm")
    reading = read_text(model, TEXT, 1)
    measured = sensitivity(model.network, CHARACTERS, SONGS, 1)

    units, marked = shown_units(reading, measured, 9)

    assert len(units) == len(set(units)) == 9
    assert units[: len(marked)] == list(marked)
    assert set(marked.values()) == {"line", "quotes"}
    assert [unit for unit, _ in measured.most_sensitive("line", NAMED)] == units[:NAMED]
    assert shown_units(reading, measured, 100)[0] != []
    assert sorted(shown_units(reading, measured, 100)[0]) == list(range(12))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_the_picture_is_a_png(cell: str, tmp_path: Path) -> None:
    model = weights(cell)
    reading = read_text(model, TEXT, 1)
    measured = sensitivity(model.network, CHARACTERS, SONGS, 1)

    draw_gates(reading, measured, *shown_units(reading, measured, 6), "Title", tmp_path / "a.png")

    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_read_is_refused_in_words() -> None:
    model = weights("lstm")
    with pytest.raises(RequestError, match="empty"):
        read_text(model, " \n ", 0)
    with pytest.raises(RequestError, match="tokens"):
        read_text(model, "rain " * MOST_TOKENS, 0)
    with pytest.raises(RequestError, match="no layer 3"):
        read_text(model, TEXT, 2)
