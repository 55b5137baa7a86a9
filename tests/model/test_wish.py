"""What a person may ask for, and the words in which the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import RequestError
from model.wish import MAX_LINES, MIN_LINES, SEED_CHARACTERS, Wish

GENRES = ("country", "rap")


def test_a_seed_is_kept_but_for_what_cannot_be_seen() -> None:
    seed = " \u202eRain\u200b on\tthe\n road\x07  café 雨 \u0627"
    assert Wish(seed=seed).checked(GENRES).seed == "Rain on the road café 雨 \u0627"


@pytest.mark.parametrize("seed", ["", "   ", "\u200b\u200e", "\n\n"])
def test_a_seed_with_nothing_in_it_is_refused(seed: str) -> None:
    with pytest.raises(RequestError, match="seed is empty"):
        Wish(seed=seed).checked(GENRES)


@pytest.mark.parametrize("length", [SEED_CHARACTERS + 1, 10_000, 1_000_000])
def test_a_seed_that_is_too_long_is_refused_with_both_lengths(length: int) -> None:
    with pytest.raises(RequestError, match=f"{length:,} characters, at most {SEED_CHARACTERS}"):
        Wish(seed="a" * length).checked(GENRES)


def test_a_seed_of_the_longest_length_is_taken() -> None:
    assert Wish(seed="a" * SEED_CHARACTERS).checked(GENRES).seed == "a" * SEED_CHARACTERS


def test_a_genre_is_found_whatever_its_case() -> None:
    assert Wish(genre=" Country ").checked(GENRES).genre == "country"


def test_an_unknown_genre_is_refused_with_the_nearest_and_the_list() -> None:
    with pytest.raises(RequestError, match=r"Did you mean country\? It can be: country, rap\."):
        Wish(genre="contry").checked(GENRES)


def test_a_model_without_genres_says_so() -> None:
    with pytest.raises(RequestError, match="knows no genres"):
        Wish(genre="rap").checked(())


@pytest.mark.parametrize(
    "wish",
    [
        Wish(lines=MIN_LINES - 1),
        Wish(lines=MAX_LINES + 1),
        Wish(temperature=-0.1),
        Wish(temperature=2.1),
        Wish(temperature=float("nan")),
        Wish(top_p=0),
        Wish(top_p=1.1),
    ],
)
def test_numbers_out_of_range_are_refused(wish: Wish) -> None:
    with pytest.raises(RequestError, match="must be"):
        wish.checked(GENRES)


@given(st.text(), st.sampled_from([*GENRES, None]))
def test_any_text_is_cleaned_once_and_for_all_or_refused(seed: str, genre: str | None) -> None:
    wish = Wish(seed=seed, genre=genre, title=seed)
    try:
        checked = wish.checked(GENRES)
    except RequestError:
        with pytest.raises(RequestError):
            wish.checked(GENRES)
    else:
        assert checked == checked.checked(GENRES)
        assert checked.seed == checked.title
        assert checked.seed
