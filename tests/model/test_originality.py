"""The index of the training songs' word runs: no copy is missed, and it goes where weights go."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from model import originality
from model.card import model_card
from model.cli import main
from model.corpus import Corpus, Song, write_songs
from model.errors import TrainingError, WeightsError
from model.originality import NgramIndex
from model.text_figures import Overlap, song_words
from model.weights import ORIGINALITY, load_weights, save_weights

SONG = Song(
    None,
    None,
    "[Verse 1]\nI left my lantern burning on the windowsill tonight\n"
    "for Mary, who's gone sailing\n\n"
    "[Chorus]\nOh, sail on home",
)
WORDS = song_words(SONG)


@pytest.fixture(scope="module")
def index(small_corpus: Corpus) -> NgramIndex:
    return NgramIndex.build([*small_corpus.part("train"), SONG])


def follow(index: NgramIndex, words: list[str]) -> list[int]:
    """What it says after each word."""
    runs = [0]
    for end in range(1, len(words) + 1):
        runs.append(index.follow(runs[-1], words[:end]))
    return runs[1:]


def test_a_run_is_followed_word_by_word_over_line_ends_and_past_headings(index: NgramIndex) -> None:
    n = index.n
    assert follow(index, WORDS) == [0] * (n - 1) + list(range(n, len(WORDS) + 1))


def test_the_last_words_are_enough_to_follow_a_run(index: NgramIndex) -> None:
    assert index.follow(8, WORDS[3 : 3 + index.n]) == 9


def test_another_word_ends_a_run(index: NgramIndex) -> None:
    words = [*WORDS[:8], "zebra", *WORDS[9 : 9 + index.n]]
    assert follow(index, words)[7:] == [8, *[0] * index.n, index.n]
    assert index.longest_run(words) == 8


def test_shorter_runs_than_n_are_none(index: NgramIndex) -> None:
    assert index.longest_run(WORDS[: index.n - 1]) == 0
    assert index.longest_run([]) == 0


def test_the_order_of_words_counts(index: NgramIndex) -> None:
    assert index.longest_run(WORDS[::-1]) == 0


def test_a_run_does_not_go_from_song_to_song() -> None:
    index = NgramIndex.build([Song(None, None, "one two three"), Song(None, None, "four five six")])
    assert index.longest_run(["one", "two", "three", "four", "five", "six"]) == 0
    assert index.false_positive_rate == 0


def test_no_verbatim_run_is_missed(index: NgramIndex, small_corpus: Corpus) -> None:
    rng = random.Random(5)
    lines = [line for song in small_corpus.part("train") for line in song.lines]
    mixed = [Song(None, None, "\n".join(rng.sample(lines, 6))) for _ in range(20)]
    lyrics = [song_words(song) for song in [*mixed, *small_corpus.part("test")]]
    overlap = Overlap(lyrics)
    for song in small_corpus.part("train"):
        overlap.read(song_words(song))
    longest = [max(runs, default=0) for runs in overlap.runs]
    assert max(longest) > 8
    for words, run in zip(lyrics, longest, strict=True):
        assert run < index.n or index.longest_run(words) >= run


def test_the_false_positive_rate_is_as_told(index: NgramIndex) -> None:
    rng = random.Random(7)
    strange = [[f"{rng.randrange(500)}" for _ in range(index.n)] for _ in range(30_000)]
    found = sum(index.longest_run(words) > 0 for words in strange) / len(strange)
    assert 0 < index.false_positive_rate < originality.FULL**index.hashes
    assert found == pytest.approx(index.false_positive_rate, rel=0.5)


def test_words_read_more_than_once_are_known() -> None:
    index = NgramIndex.build([SONG, Song(None, None, "The LANTERN's out, Mary")])
    assert index.knows("mary")
    assert not index.knows("lantern's")
    assert not index.knows("zebra")


def test_a_small_text_has_a_small_index(index: NgramIndex) -> None:
    assert len(NgramIndex.build([SONG]).to_bytes()) < len(index.to_bytes()) / 8
    assert max(originality.SIZES) // 8 + 1000 < 8_000_000


def test_what_a_base_holds_stays_in(small_corpus: Corpus) -> None:
    songs = small_corpus.part("train")[:20]
    old = NgramIndex.build([SONG])
    for base, added in ((old, songs), (NgramIndex.build(songs), [SONG])):
        new = NgramIndex.build(added, base=base)
        for song in [SONG, *songs]:
            assert new.longest_run(song_words(song)) >= len(song_words(song))


def test_songs_that_are_read_again_change_nothing(index: NgramIndex, small_corpus: Corpus) -> None:
    assert NgramIndex.build([SONG], base=index) == index
    assert NgramIndex.build([SONG, *reversed(list(small_corpus.part("train")))]) == index


def test_the_file_is_the_same_on_every_run_and_machine(tmp_path: Path) -> None:
    program = (
        "from model.originality import *; import sys;"
        "print(NgramIndex.build([Song(None, None, sys.argv[1])]).to_bytes().hex())"
    )
    command = [sys.executable, "-c", program, SONG.text]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    path = tmp_path / ORIGINALITY
    path.write_bytes(bytes.fromhex(printed))
    assert NgramIndex.read(path) == NgramIndex.build([SONG])


def test_the_places_of_an_ngram_stay_those_of_files_that_are_out_there() -> None:
    bits = NgramIndex.build([Song(None, None, "So far it's good now")]).bits
    places = [8 * i + j for i, byte in enumerate(bits) for j in range(8) if byte >> j & 1]
    assert places == [2935, 3380, 6363, 9346, 12329, 15312]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NgramIndex.build([SONG]).to_bytes()[:-9],
        safetensors.numpy.save({"other": np.zeros(8, "u1")}, {"n": "5"}),
        NgramIndex(5, 4, b"\0" * 100).to_bytes(),
        NgramIndex(0, 4, b"\0" * (originality.SIZES[0] // 8)).to_bytes(),
    ],
    ids=["empty", "cut short", "another file", "of a strange size", "of no words"],
)
def test_a_damaged_file_is_named(tiny_weights: Path, tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_weights, folder)
    (folder / ORIGINALITY).write_bytes(data)
    with pytest.raises(WeightsError, match=ORIGINALITY):
        load_weights(folder)


def test_too_much_text_is_refused(monkeypatch: pytest.MonkeyPatch, small_corpus: Corpus) -> None:
    monkeypatch.setattr(originality, "SIZES", originality.SIZES[:1])
    with pytest.raises(TrainingError, match="too much text"):
        NgramIndex.build(small_corpus)


def test_weights_keep_their_index_and_a_stale_one_goes(tiny_weights: Path, tmp_path: Path) -> None:
    weights = load_weights(tiny_weights)
    assert weights.originality is None
    indexed = replace(weights, originality=NgramIndex.build([SONG]))
    save_weights(indexed, tmp_path, model_card(indexed, "w"))
    assert load_weights(tmp_path).originality == indexed.originality
    save_weights(weights, tmp_path, model_card(weights, "w"))
    assert load_weights(tmp_path).originality is None


def test_index_gives_a_folder_the_runs_of_the_songs_that_training_learns(
    tiny_weights: Path,
    small_corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny_weights, tmp_path / "tiny")
    songs, more = tmp_path / "songs.txt", tmp_path / "more.txt"
    write_songs(small_corpus, songs)
    write_songs([SONG], more)
    arguments = ["--weights", str(tmp_path / "tiny"), "--json"]
    assert main(["index", str(songs), *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bytes"] == (tmp_path / "tiny" / ORIGINALITY).stat().st_size
    learned = NgramIndex.build(small_corpus.part("train"))
    assert load_weights(tmp_path / "tiny").originality == learned

    assert main(["index", str(more), "--add", *arguments]) == 0
    assert load_weights(tmp_path / "tiny").originality == NgramIndex.build([SONG], base=learned)
    assert main(["index", str(more), *arguments]) == 0
    assert load_weights(tmp_path / "tiny").originality == NgramIndex.build([SONG])


def test_index_needs_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "lyrics", "--weights", str(tmp_path)]) == 2
    assert "holds no weights" in capsys.readouterr().err
