"""Which genre a text sounds like: Bayes' rule on the nats behind each genre."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.cli import main
from model.corpus import Corpus, Song, write_songs
from model.errors import RequestError
from model.frame import frame_song
from model.genre_scores import (
    against_others,
    draw_guesses,
    genre_nats,
    guess_genres,
    probabilities,
    score_text,
)
from model.network import within
from model.tokenizer import TEXT
from model.weights import Weights, load_weights

TEXT_LINES = "rain on the road\nand I carry the load"


@pytest.fixture(scope="module")
def weights(tiny_weights: Path) -> Weights:
    return load_weights(tiny_weights)


def test_each_stanza_is_read_behind_the_genre_anew(weights: Weights) -> None:
    stanzas = TEXT_LINES, "all the way home"

    def alone(stanza: str) -> float:
        ids = np.array(frame_song(weights.tokenizer, Song(None, "shanty", stanza)).ids()[:-1])
        nats, _ = weights.network.token_nats(
            ids[:-1, None], ids[1:, None], weights.network.zero_state(1)
        )
        told = ~within(ids[1:, None], weights.tokenizer.forced_ids)
        begin = ids.tolist().index(TEXT)
        return float((nats * told)[begin:].sum())

    texts = ["\n\n".join(stanzas), stanzas[1]]
    found = genre_nats(weights.network, weights.tokenizer, texts, ["country", "shanty"])
    assert found.shape == (2, 2)
    assert found[0, 1] == pytest.approx(sum(map(alone, stanzas)), rel=1e-5)
    assert found[1, 1] == pytest.approx(alone(stanzas[1]), rel=1e-5)


def test_probabilities_follow_the_rule_of_bayes() -> None:
    found = probabilities(np.array([[1000.0, 1000 + np.log(3), 3000.0]]))
    np.testing.assert_allclose(found, [[0.75, 0.25, 0]])


def test_a_score_names_the_likeliest_genre_first(weights: Weights) -> None:
    score = score_text(weights.network, weights.tokenizer, weights.genres, TEXT_LINES)
    assert (score.words, score.characters) == (9, len(TEXT_LINES))
    assert sum(genre.probability for genre in score.genres) == pytest.approx(1)
    first, second = score.genres
    assert first.probability >= second.probability
    assert first.nats_per_word <= second.nats_per_word
    assert score.to_dict()["genre"] == first.name


def test_a_text_without_words_is_refused(weights: Weights) -> None:
    with pytest.raises(RequestError, match="no words"):
        score_text(weights.network, weights.tokenizer, weights.genres, "... !")


def test_a_genre_that_suits_every_song_tells_nothing() -> None:
    # four songs, one of each genre, all likeliest in the first; each a little in its own
    nats = np.full((4, 4), 100.0) - 5 * np.eye(4)
    nats[:, 0] -= 10
    assert nats.argmin(axis=1).tolist() == [0, 0, 0, 0]
    assert against_others(nats).argmin(axis=1).tolist() == [0, 1, 2, 3]
    assert against_others(nats[1:2]).argmin(axis=1).tolist() == [0]


def test_every_song_of_a_known_genre_is_guessed_once(
    weights: Weights, small_corpus: Corpus, tmp_path: Path
) -> None:
    songs = [*small_corpus.part("test"), Song(None, "polka", "oom pah"), Song(None, None, "la")]
    guesses = guess_genres(weights.network, weights.tokenizer, weights.genres, songs)
    assert guesses is not None
    assert guesses.songs == len(songs) - 2
    for counts in (guesses.likeliest, guesses.calibrated):
        assert counts.sum(axis=1).tolist() == [
            sum(song.genre == genre for song in songs) for genre in guesses.genres
        ]
    assert 0 <= guesses.accuracy <= 1
    assert 0 <= guesses.calibrated_accuracy <= 1
    assert guesses.chance == 0.5
    draw_guesses(guesses, tmp_path / "genres.png")
    assert (tmp_path / "genres.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_guessed_without_genres_to_choose_from(weights: Weights) -> None:
    def guessed(genres: tuple[str, ...], song: Song) -> object:
        return guess_genres(weights.network, weights.tokenizer, genres, [song])

    assert guessed(weights.genres, Song(None, "polka", "oom pah")) is None
    assert guessed(("country",), Song(None, "country", "rain")) is None


def test_score_prints_a_table_or_json_for_a_text_or_a_file(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song.txt"
    write_songs([Song("Road", "country", TEXT_LINES)], song)
    command = ["score", "--weights", str(tiny_weights)]
    assert main([*command, "--text", TEXT_LINES, "--json"]) == 0
    of_text = json.loads(capsys.readouterr().out)
    assert {"nats_per_word", "bits_per_character", "genre"} <= set(of_text)
    assert set(of_text["genres"]) == {"country", "shanty"}
    assert main([*command, "--file", str(song), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == of_text
    assert main([*command, "--file", str(song)]) == 0
    assert "nats per word" in capsys.readouterr().out


def test_score_says_what_is_wrong_with_a_text(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several, empty = tmp_path / "several.txt", tmp_path / "empty.txt"
    write_songs([Song(None, None, "rain"), Song(None, None, "snow")], several)
    empty.write_text("")
    for arguments, reason in (
        (["--text", "  "], "no words"),
        (["--file", str(several)], "2 songs"),
        (["--file", str(empty)], "no songs"),
        (["--file", str(tmp_path / "nowhere.txt")], "does not exist"),
    ):
        assert main(["score", "--weights", str(tiny_weights), *arguments]) == 2
        assert reason in capsys.readouterr().err
