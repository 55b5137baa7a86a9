"""Evaluation: figures by song, independent of batching and of the tokenizer's units."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.cli import main
from model.corpus import Corpus, Song, write_songs
from model.evaluation import (
    STREAMS,
    Evaluation,
    evaluate,
    evaluate_each,
    evaluate_streamed,
    total,
)
from model.frame import frame_song
from model.network import Network, NetworkConfig, initial_parameters
from model.tokenizer import END, TEXT, CharacterTokenizer

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


def test_the_figures_of_each_song_add_up_to_those_of_all() -> None:
    each = evaluate_each(network(), TOKENIZER, SONGS)
    assert [one.characters for one in each] == [len(song.text) + 1 for song in SONGS]
    together = evaluate(network(), TOKENIZER, SONGS)
    assert total(each) == together
    alone = evaluate(network(), TOKENIZER, [SONGS[2]])
    assert each[2].nats == pytest.approx(alone.nats, rel=1e-5)


def test_a_stream_carries_the_state_from_song_to_song() -> None:
    songs = SONGS[:2] * STREAMS  # two in each stream
    net = network()
    ids = [i for song in songs[:2] for i in frame_song(TOKENIZER, song).ids()]
    nats, _ = net.token_nats(
        np.array(ids[:-1])[:, None], np.array(ids[1:])[:, None], net.zero_state(1)
    )
    begins, ends = ([i for i, token in enumerate(ids) if token == mark] for mark in (TEXT, END))
    expected = sum(float(nats[b:e].sum()) for b, e in zip(begins, ends, strict=True))
    result = evaluate_streamed(net, TOKENIZER, songs)
    assert result.nats == pytest.approx(STREAMS * expected, rel=1e-5)
    assert result.tokens == evaluate(net, TOKENIZER, songs).tokens
    assert result.nats != pytest.approx(evaluate(net, TOKENIZER, songs).nats, rel=1e-6)


@pytest.mark.parametrize("read", [evaluate, evaluate_streamed])
def test_progress_ends_where_all_tokens_are_read(
    read: Callable[..., Evaluation],
) -> None:
    heard: list[tuple[int, int]] = []
    read(network(), TOKENIZER, SONGS, lambda done, whole: heard.append((done, whole)))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1] > 0


def test_evaluate_sets_what_the_network_writes_beside_held_out_songs(
    tiny_weights: Path,
    small_corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_songs(small_corpus, tmp_path / "songs.txt")
    command = ["evaluate", "--weights", str(tiny_weights), "--corpus", str(tmp_path)]
    pictures = ["--picture", str(tmp_path / "all.png"), "--genres", str(tmp_path / "genres.png")]
    assert main([*command, "--samples", "3", *pictures, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["samples"]["songs"] == figures["held_out_songs"]["songs"] == 3
    assert set(figures["samples"]["novelty"]) == {"4", "5", "6", "7", "8"}
    assert figures["held_out_songs"]["end_rhyme_rate"] > 0.5
    assert 0 <= figures["genre_accuracy"] <= 1
    assert figures["streamed_bits_per_character"] == pytest.approx(
        figures["bits_per_character"], rel=0.05
    )
    for name in ("all.png", "genres.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")

    assert main([*command, "--samples", "0", *pictures]) == 0
    table = capsys.readouterr().out
    assert "bits per character" in table
    assert "end-rhyme" not in table


def test_evaluate_refuses_before_it_reads(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--weights", str(tiny_weights), "--corpus", str(tmp_path / "nowhere")]
    for arguments, reason in (
        (["--samples", "-1"], "Samples"),
        (["--random-seed", "-1"], "random seed"),
        (["--picture", str(tmp_path)], "cannot be written"),
    ):
        assert main([*command, *arguments]) == 2
        assert reason in capsys.readouterr().err
