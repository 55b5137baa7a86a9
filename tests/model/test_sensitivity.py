"""Which units follow line, rhyme and quotation marks: the features, and units built to be found."""

import numpy as np
import pytest

from model.corpus import Song
from model.errors import RequestError
from model.network import Network, NetworkConfig, views
from model.sensitivity import FEATURES, features, sensitivity, token_texts
from model.tokenizer import BytePairTokenizer, CharacterTokenizer, WordTokenizer

TEXT = """[Verse 1]
He said, “the rain
is coming down,”
and took the train
right out of town

[Chorus]
The sky was orange
“we sing” he sang again"""
SONGS = [Song(None, "folk", TEXT), Song("Rain", None, TEXT.replace("rain", "train"))]
CHARACTERS = CharacterTokenizer.train(f"{song.text}{song.title}{song.genre}" for song in SONGS)


@pytest.mark.parametrize(
    "tokenizer",
    [
        CHARACTERS,
        BytePairTokenizer.train(["no letter of the text"], 262),
        BytePairTokenizer.train([TEXT], 330),
        WordTokenizer.train([TEXT], 1000),
    ],
    ids=["characters", "bytes", "byte-pairs", "words"],
)
def test_the_texts_of_tokens_join_to_the_text(tokenizer: CharacterTokenizer) -> None:
    ids = tokenizer.encode(TEXT)

    texts = token_texts(tokenizer, ids)

    assert len(texts) == len(ids)
    assert "".join(texts) == TEXT


def test_features_are_told_from_the_text_alone() -> None:
    values, counted = features(list(TEXT))

    line, rhyme, quotes = values
    numbers = [number for number, text in enumerate(TEXT.split("\n")) for _ in text]
    letters = np.array([character != "\n" for character in TEXT])
    np.testing.assert_array_equal(counted[0, letters], np.isin(numbers, (1, 2, 3, 4, 7, 8)))
    np.testing.assert_array_equal(counted[1, letters], np.isin(numbers, (2, 3, 4, 8)))
    end = TEXT.index("the rain") + len("the rain")
    assert line[end - 1] == 1
    assert line[end] == 0  # the line end opens the next line
    assert line[end + 8] == 8 / len("is coming down,”")
    rhyming = {TEXT[:t].count("\n") for t in np.flatnonzero(rhyme) if TEXT[t] != "\n"}
    assert rhyming == {3, 4}  # train with rain, town with down; sang again opens a stanza
    quoted = "".join(character for character, q in zip(TEXT, quotes, strict=True) if q)
    assert quoted == "“the rain\nis coming down,“we sing"


def test_straight_marks_open_and_close_in_turn_and_end_with_the_stanza() -> None:
    text = 'a "b" c\n"d\n\ne'

    _, _, quotes = features(list(text))[0]

    assert "".join(c for c, q in zip(text, quotes, strict=True) if q) == '"b"d'


def built_network() -> Network:
    """Unit 0 counts the characters of a line, unit 1 is on between “ and ”, unit 2 never moves."""
    size = CHARACTERS.vocabulary_size
    config = NetworkConfig(size, embedding_size=size, hidden_size=3, layers=1, tied=False)
    vector = np.zeros(config.parameter_count, np.float32)
    parameters = views(config, vector)
    parameters["embedding.weight"][:] = np.eye(size)
    newline, opening, closing = (CHARACTERS.encode(c)[0] for c in "\n“”")
    i, f, g = (slice(3 * gate, 3 * gate + 3) for gate in range(3))
    bias, weight = parameters["rnn.bias_ih_l0"], parameters["rnn.weight_ih_l0"]
    bias[i], bias[f], bias[g] = (-4, -20, -20), (20, 20, 20), (20, 20, 0)
    weight[f, newline] = (-40, 0, 0)
    weight[i, opening] = (0, 40, 0)
    weight[f, closing] = (0, -40, 0)
    return Network(config, vector)


def test_units_built_to_follow_a_feature_are_found() -> None:
    done: list[int] = []

    result = sensitivity(built_network(), CHARACTERS, SONGS, 0, done.append)

    (counting, r_line), *_ = result.most_sensitive("line", 3)
    (quoting, r_quotes), *_ = result.most_sensitive("quotes", 3)
    assert (counting, quoting) == (0, 1)
    assert r_line > 0.9
    assert r_quotes > 0.99
    assert result.correlations["line"].shape == (3,)
    assert result.correlations["line"][2] == 0  # it never moves
    assert result.by_chance.keys() == FEATURES.keys()
    assert all(0 <= r <= 1 for r in result.by_chance.values())
    assert done[-1] == result.songs == 2


def test_correlations_are_those_of_numpy() -> None:
    network = built_network()
    song = SONGS[0]
    ids = CHARACTERS.encode(TEXT)

    result = sensitivity(network, CHARACTERS, [Song(None, None, TEXT)], 0)

    values, counted = features(list(song.text))
    trace = network.forward(np.array(ids)[:, None], network.zero_state(1)).traces[0]
    assert trace.cells is not None
    cell = trace.cells[1:, 0, 0]
    expected = np.corrcoef(cell[counted[0]], values[0, counted[0]])[0, 1]
    assert result.correlations["line"][0] == pytest.approx(expected, abs=1e-2)


def test_a_feature_that_does_not_occur_has_no_units() -> None:
    song = Song(None, None, "no mark\nand no verse\nat all")

    result = sensitivity(built_network(), CHARACTERS, [song], 0)

    assert result.correlations.keys() == {"line"}
    assert result.most_sensitive("quotes", 3) == []


def test_songs_without_a_sung_line_are_refused() -> None:
    with pytest.raises(RequestError, match="no sung line"):
        sensitivity(built_network(), CHARACTERS, [Song(None, None, "[Intro]")], 0)
