"""Rhymes by the pronouncing dictionary, and the rate at which lines rhyme."""

from pathlib import Path

import pytest

from model.corpus import read_corpus
from model.rhyme import (
    end_rhyme_rate,
    guessed_rhyming_parts,
    is_word,
    last_word,
    rhymes,
    rhyming_part,
    rhyming_parts,
    shuffled_end_rhyme_rate,
    syllables,
    words,
)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("Rain on the road,", "road"),
        ('She said, "Come home!"', "home"),
        ("don\u2019t you (oh no)", "no"),
        ("keep on runnin'", "runnin'"),
        ("go get 'em", "'em"),
        ("he said 'home'", "home"),
        ("down by the sea-shore --", "shore"),
        ("...", ""),
        ("", ""),
    ],
)
def test_the_last_word_of_a_line(line: str, word: str) -> None:
    assert last_word(line) == word


def test_the_words_of_a_line_keep_their_apostrophes_inside() -> None:
    assert words("I\u2019m 'gone', Sea-Shore 24!") == ["i'm", "gone", "sea", "shore"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("rain", "train"),
        ("Moon", "june"),
        ("running", "cunning"),
        ("chillin'", "willing"),
        ("read", "bed"),
        ("read", "need"),
    ],
)
def test_words_rhyme_in_any_of_their_pronunciations(a: str, b: str) -> None:
    assert rhymes(a, b)
    assert rhymes(b, a)


@pytest.mark.parametrize(
    ("a", "b"), [("rain", "Rain"), ("rain", "road"), ("xqzt", "qxzt"), ("", ""), ("love", "move")]
)
def test_words_that_do_not_rhyme(a: str, b: str) -> None:
    assert not rhymes(a, b)


def test_the_rhyming_part_is_what_sounds_from_the_last_stressed_vowel_on() -> None:
    assert rhyming_part("purple") == "ER P AH L"
    assert rhyming_part("xqzt") is None
    assert rhyming_parts("read") == {"IY D", "EH D"}


def test_a_comment_in_the_dictionary_is_no_part_of_a_sound() -> None:
    assert rhyming_part("aalborg") == "AO L B AO R G"  # listed with "# place, danish"


def test_the_sound_of_a_word_not_listed_is_guessed_apart_from_the_metric() -> None:
    assert guessed_rhyming_parts("moonbright") == rhyming_parts("bright")
    assert guessed_rhyming_parts("rain") == rhyming_parts("rain")
    assert not rhymes("moonbright", "night")


def test_a_word_is_one_that_the_dictionary_knows_in_some_form() -> None:
    known = ["rain", "Don\u2019t", "runnin", "runnin'", "grandmother's"]
    assert [word for word in known if not is_word(word)] == []
    assert not is_word("swevene")


def test_syllables_are_counted_for_words_listed_or_not() -> None:
    assert [syllables(word) for word in ("rain", "midnight", "moonbrighted", "glim")] == [
        1,
        2,
        3,
        1,
    ]


def test_the_rate_counts_lines_that_rhyme_near_by_in_their_stanza() -> None:
    couplet = ["Out in the rain", "Waiting for the train"]
    assert end_rhyme_rate([couplet]) == 1.0
    assert end_rhyme_rate([[*couplet, "Nothing here"]]) == pytest.approx(2 / 3)
    assert end_rhyme_rate([[couplet[0]], [couplet[1]]]) == 0.0
    assert end_rhyme_rate([[couplet[0], *["Nothing here"] * 3, couplet[1]]]) == 0.4
    assert end_rhyme_rate([[couplet[0], *["Nothing here"] * 4, couplet[1]]]) == 0.0
    assert end_rhyme_rate([["Out in the rain", "Again the rain"]]) == 0.0
    assert end_rhyme_rate([]) == 0.0


def test_songs_rhyme_and_the_same_lines_shuffled_hardly_do() -> None:
    stanzas = [s for song in read_corpus(Path("lyrics/lullaby.txt")) for s in song.stanzas]
    assert end_rhyme_rate(stanzas) > 0.8
    shuffled = shuffled_end_rhyme_rate(stanzas, 1)
    assert shuffled < 0.1
    assert shuffled_end_rhyme_rate(stanzas, 1) == shuffled
