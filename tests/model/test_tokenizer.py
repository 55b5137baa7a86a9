"""Tokenizers: what goes in comes out, and nothing typed becomes a special token."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import tokenizer as tokenizer_module
from model.errors import ModelError, TrainingError, WeightsError
from model.tokenizer import (
    END,
    REPLACEMENT,
    SPECIALS,
    START,
    TOKENIZERS,
    UNKNOWN,
    BytePairTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
)
from model.vocabulary import tokenizer_from_json, train_tokenizer

TEXTS = [
    "[Verse 1]\nRain on the road, rain on the roof\n",
    "Café in the rain, the last bus home\n  (don't go)\n",
    "雨の夜 नमस्ते שלום 👩‍🚀 ❤️\n",
]
BPE = BytePairTokenizer.train(TEXTS * 3, 320)
CHAR = CharacterTokenizer.train(TEXTS)
WORD = WordTokenizer.train(TEXTS, 500)
LOWER = WordTokenizer.train(TEXTS, 500, lower_case=True)

each = pytest.mark.parametrize(
    "tokenizer",
    [
        pytest.param(BPE, id="bpe"),
        pytest.param(CHAR, id="char"),
        pytest.param(WORD, id="word"),
        pytest.param(LOWER, id="word-lower"),
    ],
)

# Tokens, what spells special ones, and any character, half of a surrogate pair among them.
HALVES = st.characters(categories=["Cs"])
typed = st.lists(
    st.text()
    | st.text(st.characters())
    | HALVES
    | st.sampled_from([*SPECIALS, *WORD.words, "\r\n", "\x00", "\ufeff", "e\u0301", "RAIN", "İΑΣ"]),
    max_size=12,
).map("".join)
known_words = st.lists(st.sampled_from(WORD.words)).map("".join)


def whole(text: str) -> str:
    """The text as UTF-8 can hold it: half of a surrogate pair is a replacement character."""
    return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)


# --- any text goes in, and comes out ----------------------------------------------------------


@each
@given(text=typed)
def test_whatever_is_typed_only_unknown_of_the_special_tokens_stands_for_it(
    tokenizer: Tokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    assert all(i == UNKNOWN or len(SPECIALS) <= i < tokenizer.vocabulary_size for i in ids)
    assert UNKNOWN not in ids or tokenizer is not BPE


@each
@given(text=typed)
def test_a_line_end_is_always_a_token_of_its_own(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.count(tokenizer.newline) == text.count("\n")
    assert tokenizer.decode([tokenizer.newline]) == "\n"


@each
@given(text=typed)
def test_what_comes_back_can_be_written_to_a_file(tokenizer: Tokenizer, text: str) -> None:
    tokenizer.decode(tokenizer.encode(text)).encode("utf-8")


@each
@given(text=typed)
def test_decoding_token_by_token_gives_the_same_text_where_every_token_is_whole(
    tokenizer: Tokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    pieces = [tokenizer.decode([i]) for i in ids]
    if tokenizer is not BPE or all(REPLACEMENT not in piece for piece in pieces):
        assert "".join(pieces) == tokenizer.decode(ids)


@given(typed)
def test_any_text_comes_back_from_byte_pairs(text: str) -> None:
    assert BPE.decode(BPE.encode(text)) == whole(text)


@given(st.text("".join(TEXTS)))
def test_text_of_known_characters_comes_back_from_characters(text: str) -> None:
    assert CHAR.decode(CHAR.encode(text)) == text


@given(typed | known_words)
def test_text_without_unknown_words_comes_back_from_words(text: str) -> None:
    ids = WORD.encode(text)
    if UNKNOWN not in ids:
        assert WORD.decode(ids) == text


@given(typed)
def test_a_text_comes_back_from_words_that_were_learned_on_it(text: str) -> None:
    text = "x" + whole(text)
    for lower_case in (False, True):
        tokenizer = WordTokenizer.train([text], 1000, lower_case=lower_case)
        expected = text.lower() if lower_case else text
        assert tokenizer.decode(tokenizer.encode(text)) == expected


@given(typed)
def test_with_lower_case_capitals_make_no_difference(text: str) -> None:
    ids = LOWER.encode(text)
    assert ids == LOWER.encode(text.lower())
    if UNKNOWN not in ids:
        assert LOWER.decode(ids) == text.lower()


@given(st.lists(typed, max_size=4), st.sampled_from(TOKENIZERS), st.booleans(), st.integers(1, 3))
def test_any_texts_can_be_learned_from_or_are_refused_in_words(
    texts: list[str], kind: str, lower_case: bool, minimum_count: int
) -> None:
    try:
        tokenizer = train_tokenizer(
            kind, texts, vocabulary=300, lower_case=lower_case, minimum_count=minimum_count
        )
    except TrainingError:  # no word is left
        assert kind == "word"
        return
    assert tokenizer.kind == kind
    assert kind == "char" or tokenizer.vocabulary_size <= 300
    again = tokenizer_from_json(tokenizer.to_json())
    for text in texts:
        assert again.encode(text) == tokenizer.encode(text)
        assert again.decode(again.encode(text)) == tokenizer.decode(tokenizer.encode(text))


@each
@pytest.mark.parametrize("special", SPECIALS)
def test_a_typed_special_token_is_plain_text(tokenizer: Tokenizer, special: str) -> None:
    assert len(tokenizer.encode(special)) > 1
    assert all(i == UNKNOWN or i >= len(SPECIALS) for i in tokenizer.encode(special))


@each
def test_special_tokens_decode_to_nothing(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("rain")
    assert tokenizer.decode([START, 3, *ids, END]) == tokenizer.decode(ids)


@each
def test_half_of_a_character_comes_back_as_a_replacement(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("\ud83d")) == REPLACEMENT
    assert set(tokenizer.decode(tokenizer.encode("\ud83d\ude80"))) == {REPLACEMENT}


def test_an_unseen_letter_loses_its_accent_and_an_unseen_script_becomes_unknown() -> None:
    assert CHAR.decode(CHAR.encode("röad")) == "road"
    assert CHAR.decode(CHAR.encode("語")) == REPLACEMENT


# --- words ------------------------------------------------------------------------------------


def pieces(text: str) -> list[str]:
    """The tokens of a text, all of them known."""
    tokenizer = WordTokenizer.train([text], 1000)
    return [tokenizer.decode([i]) for i in tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rain on the road!", ["Rain", " on", " the", " road", "!"]),
        ("[Verse 1]\nGo", ["[", "Verse", " 1", "]", "\n", "Go"]),
        ("don't 'cause", ["don't", " '", "cause"]),
        ("it’s “so”", ["it’s", " “", "so", "”"]),
        ("two  spaces", ["two", " ", " spaces"]),
        ("a \n\tb", ["a", " ", "\n", "\t", "b"]),
        ("semi-cool_x", ["semi", "-", "cool", "_", "x"]),
        ("cafe\u0301 ज़िन्दगी", ["cafe\u0301", " ज़िन्दगी"]),
        ("שָׁלוֹם می\u200cخواهم", ["שָׁלוֹם", " می\u200cخواهم"]),
        ("雨の夜 rain", ["雨", "の", "夜", " rain"]),
        ("ok ❤️👩‍🚀", ["ok", " ❤️", "👩\u200d", "🚀"]),
    ],
)
def test_a_token_is_a_word_or_a_mark_with_the_space_before_it(
    text: str, expected: list[str]
) -> None:
    assert pieces(text) == expected


def test_unknown_words_and_scripts_become_unknown_one_token_each() -> None:
    ids = WORD.encode("Rain on zzyzx, Привет")
    assert [i == UNKNOWN for i in ids] == [False, False, True, False, True]
    assert WORD.decode(ids) == f"Rain on{REPLACEMENT},{REPLACEMENT}"


def test_capitals_are_known_only_with_lower_case() -> None:
    assert UNKNOWN in WORD.encode("RAIN ON THE ROAD")
    assert LOWER.decode(LOWER.encode("RAIN ON THE ROAD")) == "rain on the road"


def test_the_vocabulary_holds_the_most_frequent_words_and_always_the_line_end() -> None:
    tokenizer = WordTokenizer.train(["b b b", "a a a a", "c"], len(SPECIALS) + 4)
    assert tokenizer.words == ("\n", " a", " b", "a")
    assert tokenizer.vocabulary_size == len(SPECIALS) + 4


def test_words_that_occur_less_than_the_minimum_count_are_left_out() -> None:
    tokenizer = WordTokenizer.train(["a\na\nb"], 100, minimum_count=2)
    assert tokenizer.words == ("\n", "a")


def test_rare_words_are_forgotten_where_there_are_too_many_to_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenizer_module, "COUNTED_WORDS", 50)
    texts = (f"rain {number}\nsun {number}" for number in range(1000))
    tokenizer = WordTokenizer.train(texts, 100)
    assert tokenizer.words[:3] == ("\n", "rain", "sun")
    assert tokenizer.vocabulary_size < 100


@pytest.mark.parametrize(
    ("vocabulary", "minimum_count"), [(1, 1), (len(SPECIALS) + 1, 1), (500, 99)]
)
def test_words_of_which_none_is_left_are_refused_with_what_to_do(
    vocabulary: int, minimum_count: int
) -> None:
    with pytest.raises(TrainingError, match="raise the vocabulary or lower the count"):
        WordTokenizer.train(TEXTS, vocabulary, minimum_count=minimum_count)


# --- training and files -----------------------------------------------------------------------


def test_each_kind_is_trained_by_its_name_and_another_is_refused() -> None:
    for kind in TOKENIZERS:
        texts: Iterator[str] = iter(TEXTS)
        made = train_tokenizer(kind, texts, vocabulary=300, lower_case=True, minimum_count=1)
        assert made.kind == kind
    with pytest.raises(TrainingError, match="bpe, char, word"):
        train_tokenizer("words", TEXTS, vocabulary=300, lower_case=True, minimum_count=1)


def test_merges_are_learned_on_a_fixed_part_of_a_large_corpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenizer_module, "MERGED_CHARACTERS", 2_000)
    texts = [f"word{number % 7} of song\n" for number in range(5_000)]
    first, second = (BytePairTokenizer.train(iter(texts), 300) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert len(first.encode(" song")) == 1
    assert len(BytePairTokenizer.train(["one text " * 1_000], 300).encode(" text")) == 1


@each
def test_a_tokenizer_survives_its_file(tokenizer: Tokenizer) -> None:
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.kind == tokenizer.kind
    assert again.vocabulary_size == tokenizer.vocabulary_size
    assert again.to_json() == tokenizer.to_json()
    text = "Rain on the <|end|> roof RAIN 雨"
    assert again.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "[" * 100_000,
        "\x00",
        '{"type": "characters"}',
        '{"type": "characters", "characters": "ab"}',
        '{"type": "characters", "characters": "ab\\nb"}',
        '{"type": "characters", "characters": "ab\\n\\ud800"}',
        '{"type": "characters", "characters": [1, "\\n"]}',
        '{"type": "words", "words": ["\\n", "a"]}',
        '{"type": "words", "words": ["\\n", "a"], "lower_case": 1}',
        '{"type": "words", "words": "\\na", "lower_case": [true]}',
        '{"type": "words", "words": ["a"], "lower_case": true}',
        '{"type": "words", "words": ["\\n", "a\\n"], "lower_case": true}',
        '{"type": "words", "words": ["\\n", "a", "a"], "lower_case": true}',
        '{"type": "words", "words": ["\\n", ""], "lower_case": true}',
        '{"type": "words", "words": ["\\n", "\\udfff"], "lower_case": true}',
        '{"type": "words", "words": ["\\n", ["a"]], "lower_case": true}',
        '{"type": "words", "words": null, "lower_case": true}',
        '{"model": {"vocab": [], "merges": {}}}',
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="not a tokenizer file") as error:
        tokenizer_from_json(text)
    assert "\n" not in str(error.value)


def a_hole_in_the_ids(content: dict[str, Any]) -> None:
    content["vocab"]["!"] = 10_000


def no_special_tokens(content: dict[str, Any]) -> None:
    content["vocab"]["!"], content["vocab"][SPECIALS[END]] = END, content["vocab"]["!"]


def a_byte_is_lost(content: dict[str, Any]) -> None:
    content["vocab"]["xyzzy"] = content["vocab"].pop("!")


def a_merge_of_nothing(content: dict[str, Any]) -> None:
    content["merges"].append(["a", "zzz"])


def a_merge_of_three(content: dict[str, Any]) -> None:
    content["merges"].append(["a", "b", "c"])


def an_id_that_is_no_number(content: dict[str, Any]) -> None:
    content["vocab"]["!"] = float(content["vocab"]["!"])


@pytest.mark.parametrize(
    "damage",
    [
        a_hole_in_the_ids,
        no_special_tokens,
        a_byte_is_lost,
        a_merge_of_nothing,
        a_merge_of_three,
        an_id_that_is_no_number,
    ],
)
def test_damaged_byte_pairs_are_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    parsed = json.loads(BPE.to_json())
    damage(parsed["model"])
    with pytest.raises(WeightsError, match="not a tokenizer file") as error:
        tokenizer_from_json(json.dumps(parsed))
    assert "\n" not in str(error.value)


@each
def test_a_file_with_wrong_bytes_is_refused_or_still_works(tokenizer: Tokenizer) -> None:
    rng = random.Random(1)
    text = "Rain on the\n\nröad 雨 <|end|>"
    for _ in range(150):
        damaged = bytearray(tokenizer.to_json(), "utf-8")
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(32, 127)
        try:
            made = tokenizer_from_json(damaged.decode("utf-8", "replace"))
        except ModelError:
            continue
        ids = made.encode(text)
        assert ids.count(made.newline) == 2
        assert all(i == UNKNOWN or len(SPECIALS) <= i < made.vocabulary_size for i in ids)
        made.decode(range(made.vocabulary_size)).encode("utf-8")
