"""Making a tokenizer from texts, and reading one from its file."""

import json
from collections.abc import Iterable
from typing import Any

from model.errors import TrainingError, WeightsError
from model.rhyme import REACH
from model.rhyme_marks import SOUND_SHARE, RhymeTokenizer, SoundCount
from model.tokenizer import (
    TOKENIZERS,
    BytePairTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
    plain_tokenizer,
)


def train_tokenizer(
    kind: str,
    texts: Iterable[str],
    *,
    vocabulary: int,
    lower_case: bool,
    minimum_count: int,
    rhyme_marks: bool = False,
) -> Tokenizer:
    """A tokenizer of one of TOKENIZERS, learned in one pass over `texts` in bounded memory.

    `vocabulary` bounds the ids of "bpe" and "word", marks included;
    `lower_case` and `minimum_count` are for "word" alone. Raises TrainingError for another kind,
    and when no word is left.
    """
    if rhyme_marks:
        sounds, count = int(SOUND_SHARE * vocabulary), SoundCount()
        inner = train_tokenizer(
            kind,
            count.passing(texts),
            vocabulary=vocabulary - sounds - REACH,
            lower_case=lower_case,
            minimum_count=minimum_count,
        )
        return RhymeTokenizer(inner, count.most_common(sounds))
    if kind == "char":
        return CharacterTokenizer.train(texts)
    if kind == "bpe":
        return BytePairTokenizer.train(texts, vocabulary)
    if kind == "word":
        return WordTokenizer.train(
            texts, vocabulary, lower_case=lower_case, minimum_count=minimum_count
        )
    raise TrainingError(f"tokenizer must be one of {', '.join(TOKENIZERS)}.")


def tokenizer_from_json(text: str) -> Tokenizer:
    """The tokenizer whose `to_json` gave `text`; raises WeightsError if it is none."""
    try:
        parsed: dict[str, Any] = json.loads(text)
        if parsed.get("type") != "rhyme marks":
            return plain_tokenizer(parsed)
        sounds = [str(sound) for sound in parsed["sounds"]]
        if len(set(sounds)) != len(sounds):
            raise ValueError("a sound stands there twice")
        return RhymeTokenizer(plain_tokenizer(parsed["inner"]), sounds)
    except Exception as error:  # the library raises bare Exception for a wrong file
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"it is not a tokenizer file ({reason})") from error
