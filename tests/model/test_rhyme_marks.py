"""Rhymes marked for the network: nothing of the text is lost, and the marks say what rhymes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import model
from model.corpus import Song, read_corpus
from model.errors import WeightsError
from model.evaluation import evaluate
from model.network import Network, NetworkConfig, initial_parameters
from model.rhyme_marks import RhymeTokenizer
from model.tokenizer import REPLACEMENT, SPECIALS
from model.vocabulary import tokenizer_from_json, train_tokenizer
from model.weights import Weights, save_weights

SONG = "[Verse 1]\nI walk this road alone\nmy heart's made of Stone!\n\nHome\nand on my own"


def made(kind: str = "bpe") -> RhymeTokenizer:
    tokenizer = train_tokenizer(
        kind, [SONG], vocabulary=400, lower_case=False, minimum_count=1, rhyme_marks=True
    )
    assert isinstance(tokenizer, RhymeTokenizer)
    return tokenizer


TOKENIZER = made()


def told(text: str) -> str:
    """A text's tokens, with the marks spelled out."""
    return "".join(
        TOKENIZER.mark_name(i) or TOKENIZER.decode([i]) for i in TOKENIZER.encode_lines(text)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all alone\nof stone!", "all alone\nof<1><OW N> stone!"),
        ("all alone\na home\nof stone", "all alone\na home\nof<2><OW N> stone"),
        ("all alone\nof stone\nmy own", "all alone\nof<1><OW N> stone\nmy<1><OW N> own"),
        ("all alone\nStone", "all alone\n<1><OW N>Stone"),
        ("all alone\n\nof stone", "all alone\n\nof stone"),
        ("all alone\n[Chorus]\nof stone", "all alone\n[Chorus]\nof stone"),
        ("all alone\nalone", "all alone\nalone"),
    ],
    ids=[
        "next line",
        "line between",
        "nearest",
        "one word",
        "other stanza",
        "other section",
        "same word",
    ],
)
def test_a_line_is_marked_with_the_line_it_rhymes_with(text: str, expected: str) -> None:
    assert told(text) == expected


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_a_song_comes_back_from_its_tokens(kind: str) -> None:
    tokenizer = made(kind)
    assert tokenizer.decode(tokenizer.encode_lines(SONG)) == SONG


@given(text=st.text(st.one_of(st.sampled_from("\n'- ao"), st.characters())))
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    expected = "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)
    assert TOKENIZER.decode(TOKENIZER.encode_lines(text)) == expected
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == expected
    assert all(i >= len(SPECIALS) for i in TOKENIZER.encode_lines(text))


def test_what_may_be_marked_next_is_what_marking_the_text_gives() -> None:
    stanza = ["all alone", "going home"]
    marks = TOKENIZER.marks(stanza)
    sounds = [TOKENIZER.sounds[i - TOKENIZER.forced_ids.start] for i in marks.values()]
    assert sounds == ["OW M", "OW N"]
    assert list(marks) == list(TOKENIZER.layout_ids[:2])


def test_marks_come_back_from_their_file() -> None:
    again = tokenizer_from_json(TOKENIZER.to_json())
    assert again.encode_lines(SONG) == TOKENIZER.encode_lines(SONG)
    assert again.vocabulary_size == TOKENIZER.vocabulary_size <= 400
    assert again.to_json() == TOKENIZER.to_json()


def test_a_file_with_a_sound_twice_is_refused() -> None:
    with pytest.raises(WeightsError, match="twice"):
        tokenizer_from_json(TOKENIZER.to_json().replace('"OW M"', '"OW N"'))


def test_the_sound_behind_a_mark_costs_nothing() -> None:
    """A network without opinion pays ln V for a token; for the sound it pays none."""
    config = NetworkConfig(TOKENIZER.vocabulary_size, 4, 4)
    network = Network(config, np.zeros(config.parameter_count, np.float32))
    text = "all alone\nof stone"
    result = evaluate(network, TOKENIZER, [Song(None, None, text)])
    paid = len(TOKENIZER.encode(text)) + 2  # the mark and the end
    assert result.tokens == paid
    assert result.nats == pytest.approx(paid * np.log(TOKENIZER.vocabulary_size), rel=1e-5)


def test_lyrics_of_marked_lines_open_with_their_seed(tmp_path: Path) -> None:
    config = NetworkConfig(TOKENIZER.vocabulary_size, 8, 12)
    vector = initial_parameters(config, np.random.default_rng(1))
    save_weights(Weights(Network(config, vector), TOKENIZER, ()), tmp_path, "card")
    writer = model.load(tmp_path)
    for seed in ("I walk this ro", "雨の夜"):
        lyric = writer.generate(seed, lines=4, random_seed=3)
        assert lyric.text.startswith(seed)
        assert writer.regenerate(lyric.code).text == lyric.text


def test_the_sounds_of_a_corpus_are_found_in_it() -> None:
    songs = read_corpus(Path("lyrics/shanty.txt")).part("train")
    tokenizer = train_tokenizer(
        "bpe",
        (song.text for song in songs),
        vocabulary=1000,
        lower_case=False,
        minimum_count=1,
        rhyme_marks=True,
    )
    assert isinstance(tokenizer, RhymeTokenizer)
    assert "EY" in tokenizer.sounds
    assert tokenizer.vocabulary_size <= 1000
    marked = 0
    for song in songs:
        ids = tokenizer.encode_lines(song.text)
        assert tokenizer.decode(ids) == song.text
        marked += sum(i in tokenizer.forced_ids for i in ids)
    assert marked > sum(len(song.lines) for song in songs) / 4
