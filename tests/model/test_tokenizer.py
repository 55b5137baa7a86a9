"""Tokenizers: what goes in comes out, and nothing typed becomes a special token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import WeightsError
from model.tokenizer import (
    REPLACEMENT,
    SPECIALS,
    UNKNOWN,
    BytePairTokenizer,
    CharacterTokenizer,
    tokenizer_from_json,
)

TEXTS = ["[Verse 1]\nRain on the road, rain on the roof\n", "Café in the rain, the last bus home\n"]
BPE = BytePairTokenizer.train(TEXTS * 3, 320)
CHAR = CharacterTokenizer.train(TEXTS)
unicode_text = st.text(st.characters(codec="utf-8"))


@given(unicode_text)
def test_any_unicode_text_comes_back_from_byte_pairs(text: str) -> None:
    assert BPE.decode(BPE.encode(text)) == text


@given(st.text("".join(TEXTS)))
def test_text_of_known_characters_comes_back_from_characters(text: str) -> None:
    assert CHAR.decode(CHAR.encode(text)) == text


@given(unicode_text)
def test_no_typed_character_makes_a_special_token_but_the_unknown_one(text: str) -> None:
    assert all(i == UNKNOWN or i >= len(SPECIALS) for i in CHAR.encode(text))


@pytest.mark.parametrize("tokenizer", [BPE, CHAR], ids=["bpe", "char"])
@pytest.mark.parametrize("special", SPECIALS)
def test_a_typed_special_token_is_plain_text(
    tokenizer: BytePairTokenizer | CharacterTokenizer, special: str
) -> None:
    assert len(tokenizer.encode(special)) > 1
    assert all(i == UNKNOWN or i >= len(SPECIALS) for i in tokenizer.encode(special))


def test_special_tokens_decode_to_nothing() -> None:
    ids = BPE.encode("rain")
    assert BPE.decode([0, 3, *ids, 4]) == "rain"


def test_an_unseen_letter_loses_its_accent_and_an_unseen_script_becomes_unknown() -> None:
    assert CHAR.decode(CHAR.encode("röad")) == "road"
    assert CHAR.decode(CHAR.encode("雨")) == REPLACEMENT


@pytest.mark.parametrize("tokenizer", [BPE, CHAR], ids=["bpe", "char"])
def test_a_line_end_is_always_one_token(
    tokenizer: BytePairTokenizer | CharacterTokenizer,
) -> None:
    ids = tokenizer.encode("rain\n\n[Verse 1]\nroad")
    assert ids.count(tokenizer.newline) == 3


@pytest.mark.parametrize("tokenizer", [BPE, CHAR], ids=["bpe", "char"])
def test_a_tokenizer_survives_its_file(tokenizer: BytePairTokenizer | CharacterTokenizer) -> None:
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.kind == tokenizer.kind
    assert again.vocabulary_size == tokenizer.vocabulary_size
    text = "Rain on the <|end|> roof"
    assert again.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"type": "characters"}', "\x00"])
def test_a_file_that_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        tokenizer_from_json(text)
