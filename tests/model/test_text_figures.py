"""Figures of texts: by hand on small songs, and what they say of the extremes."""

import math

import pytest

from model.corpus import Song
from model.text_figures import (
    NOVELTY,
    Overlap,
    distinct,
    novelty,
    repeated_lines,
    self_bleu,
    song_words,
    spread,
    text_figures,
)

ROAD = Song("Road", "country", "[Verse 1]\nrain on the road\nI carry the load\n\nall the way home")
SEA = Song("Sea", "shanty", "salt in the wind\nnobody sinned\nall hands below")


def words(text: str) -> list[str]:
    return text.split()


def test_the_words_of_a_song_are_those_that_are_sung() -> None:
    assert song_words(ROAD) == words("rain on the road i carry the load all the way home")


def test_distinct_is_the_share_of_different_ngrams() -> None:
    songs = [words("a b a b"), words("a b c")]
    assert distinct(songs, 1, 7) == pytest.approx(3 / 7)
    assert distinct(songs, 2, 5) == pytest.approx(3 / 5)  # ab ba ab, ab bc: none from song to song
    assert distinct(songs, 2, 3) == pytest.approx(2 / 3)
    assert distinct(songs, 9, 0) == 0


def test_self_bleu_tells_copies_from_songs_that_share_nothing() -> None:
    assert self_bleu([words("a b c d")] * 3) == pytest.approx(1)
    assert self_bleu([words("a b c d"), words("e f g h")]) < 0.1
    assert self_bleu([words("a b c d")]) == 0


def test_self_bleu_is_the_mean_of_what_the_formula_gives_for_each_song() -> None:
    # a b c d against a b c e f: precisions 3/4, 2/3, 1/2, and shorter than its reference
    short = (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3) * math.exp(1 - 5 / 4)
    # a b c e f against a b c d: 3/5, 2/4, 1/3, and longer
    long = (3 / 5 * 2 / 4 * 1 / 3) ** (1 / 3)
    found = self_bleu([words("a b c d"), words("a b c e f")])
    assert found == pytest.approx((short + long) / 2)


def test_self_bleu_counts_a_repeated_word_only_as_often_as_another_song_has_it() -> None:
    # a a a a against a a b: one half of the words, one third of the pairs, no triple
    first = (2 / 4 * 1 / 3 * 0.1 / 2) ** (1 / 3)
    second = (2 / 3 * 1 / 2 * 0.1 / 1) ** (1 / 3) * math.exp(1 - 4 / 3)
    assert self_bleu([words("a a a a"), words("a a b")]) == pytest.approx((first + second) / 2)


def test_what_is_copied_is_found_with_its_whole_length() -> None:
    overlap = Overlap([words("x a b c d e y"), words("p q r s t")])
    overlap.read(words("z a b c d e z"))
    overlap.read(words("c d e y"))
    assert overlap.runs == [[0, 5, 4, 4, 0, 0, 0], [0] * 5]
    assert novelty(overlap.runs, 4) == pytest.approx(3 / 6)  # xabc, pqrs, qrst of six
    assert novelty(overlap.runs, 5) == pytest.approx(3 / 4)
    assert novelty(overlap.runs, 8) == 0


@pytest.mark.parametrize("copied", range(4, 9))
def test_a_run_is_as_long_in_the_middle_of_a_loop(copied: int) -> None:
    overlap = Overlap([words("la " * copied)])
    overlap.read(words("la " * 20))
    assert max(overlap.runs[0]) == copied


def test_lines_are_the_same_when_their_words_are() -> None:
    song = Song(
        None, None, "[Chorus]\nOh, the rain!\nit falls\n\n[Chorus]\noh the rain\nOh the rain\n..."
    )
    assert repeated_lines([song]) == (2 / 4, 3)
    assert repeated_lines([]) == (0, 0)


def test_a_copy_of_a_training_song_has_nothing_new_and_another_song_nothing_old() -> None:
    copy, other = text_figures([ROAD], [SEA], training=[ROAD])
    assert all(share == 0 for share in copy.novelty.values())
    assert copy.longest_verbatim_run == copy.words == 12
    assert set(other.novelty) == set(NOVELTY)
    assert other.novelty[4] == 1
    assert other.longest_verbatim_run == 0
    assert other.end_rhyme_rate == pytest.approx(2 / 3)


def test_a_word_is_known_from_the_training_songs_or_the_dictionary() -> None:
    written = Song(None, None, "the zibber flommed")
    (without,) = text_figures([written], training=[ROAD])
    (with_it,) = text_figures([written], training=[ROAD, Song(None, None, "my zibber")])
    assert without.known_words == pytest.approx(1 / 3)
    assert with_it.known_words == pytest.approx(2 / 3)


def test_groups_of_unequal_size_are_compared_on_equal_parts() -> None:
    many = [ROAD, SEA, Song(None, None, "one two three four five")]
    first, second = text_figures(many, [ROAD, SEA], training=[])
    assert first.distinct == second.distinct
    assert first.self_bleu == second.self_bleu
    assert first.references == 1


def test_no_songs_have_figures_too() -> None:
    (figures,) = text_figures([], training=[ROAD])
    assert (figures.songs, figures.words, figures.longest_verbatim_run) == (0, 0, 0)


def test_songs_are_taken_evenly() -> None:
    songs = [Song(str(i), None, "a") for i in range(10)]
    assert [song.title for song in spread(songs, 3)] == ["0", "3", "6"]
    assert spread(songs, 99) == songs
    assert spread(songs, 0) == []
