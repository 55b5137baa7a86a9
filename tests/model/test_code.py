"""Codes of lyrics: short, typed by hand, exact, and refused in words when they are wrong."""

from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.code import LETTERS, RANDOM_SEEDS, Recipe, lyric_code, parse_code
from model.errors import RequestError
from model.rhyme_marks import RhymeTokenizer
from model.tokenizer import (
    SPECIALS,
    BytePairTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
)
from model.wish import MAX_CANDIDATES, MAX_LINES, RHYMES, SECTIONS, Wish

GENRES = ("blues", "country", "rap")
VERSION = "default-3f9a1c2e"
SONG = "the last bus home\nrain on the road, and the lantern is low\n"
FILLERS = [f" filler{number}" for number in range(4096 - len(SPECIALS) - 5)]
WORDS = WordTokenizer(["\n", "the", " last", " bus", " home", *FILLERS], lower_case=False)
PLAIN = Recipe(Wish(), random_seed=123_456_789, candidate=2, cut=None)


@cache
def tokenizers() -> tuple[Tokenizer, ...]:
    pairs = BytePairTokenizer.train([SONG * 3], 300)
    return (
        pairs,
        RhymeTokenizer(pairs, ["OW M", "OW"]),
        CharacterTokenizer.train([SONG]),
        WordTokenizer.train([SONG], 50, lower_case=True),
        WORDS,
    )


def code_of(recipe: Recipe, tokenizer: Tokenizer = WORDS, version: str = VERSION) -> str:
    return lyric_code(recipe, version=version, tokenizer=tokenizer, genres=GENRES)


def recipe_of(code: str, tokenizer: Tokenizer = WORDS, version: str = VERSION) -> Recipe:
    return parse_code(code, version=version, tokenizer=tokenizer, genres=GENRES)


def letters(code: str) -> str:
    return code.replace("-", "")


# --- what a code holds ----------------------------------------------------------------------


def number(name: str) -> st.SearchStrategy[Any]:
    """Any value of a number's range; fractions have two decimals."""
    about = next(option for option in fields(Wish) if option.name == name).metadata
    if isinstance(getattr(Wish, name), int):
        return st.integers(about["least"], about["most"])
    least = about["above"] * 100 + 1 if "above" in about else about["least"] * 100
    return st.integers(least, about["most"] * 100).map(lambda hundredths: hundredths / 100)


texts = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["the last bus home", " the  LAST bus", "\ufffd", "雨の夜", "😀", "<|end|>", "مرحبا", "a\\b,"]
)
wishes = st.builds(
    Wish,
    seed=st.none() | texts,
    genre=st.none() | st.sampled_from(GENRES),
    title=st.none() | texts,
    bad_words=st.none() | st.lists(texts, max_size=5).map(", ".join),
    keyword=st.none() | texts,
    rhyme=st.none() | st.sampled_from(RHYMES),
    structure=st.none() | st.lists(st.sampled_from(SECTIONS), min_size=1, max_size=5).map(" ".join),
    syllables=st.none() | st.sampled_from(["1", "6-10", "8", "8-8", "1-20", "20"]),
    word_filter=st.booleans(),
    **{option.name: number(option.name) for option in fields(Wish) if "most" in option.metadata},
)
recipes = st.builds(
    Recipe,
    wishes,
    random_seed=st.integers(0, RANDOM_SEEDS - 1),
    candidate=st.integers(0, MAX_CANDIDATES - 1),
    cut=st.none() | st.integers(0, MAX_LINES),
)


@settings(max_examples=40)
@given(recipes, st.integers(0, 4))
def test_any_recipe_comes_back_from_its_code(recipe: Recipe, which: int) -> None:
    try:
        recipe = replace(recipe, wish=recipe.wish.checked(GENRES))
    except RequestError:  # such as a seed of nothing that can be seen
        recipe = PLAIN
    tokenizer = tokenizers()[which]
    code = code_of(recipe, tokenizer)
    assert recipe_of(code, tokenizer) == recipe
    assert set(code) <= {*LETTERS, "-"}


def test_the_longest_texts_come_back_too() -> None:
    bad_words = ", ".join("\U00010428" * 29 + chr(0x4E00 + i) for i in range(20))
    wish = Wish(seed="\U0001f600" * 200, title="\U0001f600" * 100, bad_words=bad_words)
    recipe = replace(PLAIN, wish=wish.checked(GENRES))
    assert recipe_of(code_of(recipe)) == recipe


def test_a_code_without_options_has_at_most_sixteen_letters() -> None:
    assert len(letters(code_of(replace(PLAIN, random_seed=RANDOM_SEEDS - 1)))) <= 16


def test_a_code_of_a_seed_a_genre_and_a_rhyme_has_at_most_thirty_letters() -> None:
    wish = Wish(seed="the last bus home", genre="rap", rhyme="ABAB")
    assert len(letters(code_of(Recipe(wish, RANDOM_SEEDS - 1, 7, None)))) <= 30


def test_a_code_stands_in_groups_of_four() -> None:
    groups = code_of(replace(PLAIN, wish=Wish(seed="the last bus home"))).split("-")
    assert {len(group) for group in groups[:-1]} == {4}
    assert 1 <= len(groups[-1]) <= 4


def test_codes_that_were_written_once_keep_their_meaning() -> None:
    wish = Wish(
        seed="the last bus home", genre="rap", temperature=0.9, rhyme="ABAB", syllables="6-10"
    )
    assert recipe_of("20xd-wt5a-9ny7-9") == PLAIN
    assert recipe_of("5cv4-fg22-hk8b-h2j0-jabv-0000-0aj9-mm6t") == Recipe(wish, 42, 3, 12)


# --- how it may be typed --------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        str.upper,
        letters,
        lambda code: code.replace("-", " "),
        lambda code: f"  {code}\n",
        lambda code: code.replace("-", "\u2013"),
        lambda code: "-".join(letters(code)),
        lambda code: code.replace("0", "o").replace("1", "l"),
        lambda code: code.replace("0", "O").replace("1", "I"),
    ],
)
def test_case_spaces_dashes_and_look_alikes_do_not_matter(typed: Any) -> None:
    for random_seed in range(20):
        recipe = replace(PLAIN, random_seed=random_seed)
        assert recipe_of(typed(code_of(recipe))) == recipe


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["", " - ", "0", "x", "hello world", "é", "u", "12_34", "+12", "٣٤", "a" * 500, "z" * 10**6],
)
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(RequestError, match="not a lyric's code"):
        recipe_of(code)


@given(st.text() | st.text(LETTERS, min_size=1))
def test_whatever_is_typed_is_refused_in_words(code: str) -> None:
    with pytest.raises(RequestError):
        recipe_of(code)


def test_every_code_with_one_letter_changed_or_two_neighbours_swapped_is_refused() -> None:
    wish = Wish(seed="the last bus home", genre="rap", title="雨", rhyme="ABAB", min_p=0.5)
    code = letters(code_of(replace(PLAIN, wish=wish)))
    changed = {
        code[:i] + letter + code[i + 1 :] for i in range(len(code)) for letter in LETTERS
    } | {code[:i] + code[i + 1] + code[i] + code[i + 2 :] for i in range(len(code) - 1)}
    for wrong in changed - {code}:
        with pytest.raises(RequestError, match="not a lyric's code"):
            recipe_of(wrong)


def test_a_code_with_a_letter_missing_at_any_place_or_cut_off_is_refused() -> None:
    code = letters(code_of(replace(PLAIN, wish=Wish(seed="the last bus home"))))
    missing = {code[:i] + code[i + 1 :] for i in range(len(code))}
    for wrong in missing | {code[:i] for i in range(len(code))} | {code[i:] for i in range(1, 20)}:
        with pytest.raises(RequestError):
            recipe_of(wrong)


def test_another_models_code_is_refused_as_such() -> None:
    code = code_of(PLAIN, version="other-12345678")
    with pytest.raises(RequestError, match=f"another model: {VERSION} cannot"):
        recipe_of(code)


@settings(max_examples=40)
@given(recipes, st.integers(0, 4), st.sampled_from([(), ("rap",), ("folk", "punk") * 9]))
def test_digits_that_mean_something_else_are_refused_or_mean_what_a_wish_can_hold(
    recipe: Recipe, which: int, genres: tuple[str, ...]
) -> None:
    """As in a forged code: the check value and the model are right, what stands behind is not."""
    code = code_of(replace(recipe, wish=replace(recipe.wish, genre="blues", syllables=None)))
    tokenizer = tokenizers()[which]
    try:
        wish = parse_code(code, version=VERSION, tokenizer=tokenizer, genres=genres).wish
    except RequestError:
        return
    assert wish.genre in (None, *genres)
    assert wish.rhyme in (None, *RHYMES)
    for option in fields(Wish):
        if "most" in option.metadata:
            least = option.metadata.get("least", 0)
            assert least <= getattr(wish, option.name) <= option.metadata["most"]
