"""Text to token ids and back, behind one interface: characters, or byte-level byte-pair encoding.

Ids 0 to 5 are special and mean the same in every tokenizer; no typed text can produce one, so a
seed that spells "<|end|>" is just eight characters. Byte-pair merges (Sennrich et al. 2016) over
bytes (Radford et al. 2019) come from the `tokenizers` library and stand in its own file format.
A line end is always a token of its own, so a generated lyric can stop on a whole line.
"""

import json
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from model.errors import WeightsError

SPECIALS = ("<|start|>", "<|genre|>", "<|title|>", "<|text|>", "<|end|>", "<|unknown|>")
START, GENRE, TITLE, TEXT, END, UNKNOWN = range(len(SPECIALS))
REPLACEMENT = "\ufffd"  # what an unknown character, or half of a UTF-8 sequence, decodes to
LARGEST_PIECE = 24  # bytes; longer merges only memorize


class Tokenizer(ABC):
    """Turns text into ids and ids into text; special ids decode to nothing."""

    kind: str
    vocabulary_size: int

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of `text`; never a special id, except UNKNOWN for characters."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`; the inverse of `encode` wherever nothing was unknown."""

    @abstractmethod
    def to_json(self) -> str:
        """The content of `tokenizer.json`."""

    @property
    def newline(self) -> int:
        """The id of the line end."""
        return self.encode("\n")[0]


class CharacterTokenizer(Tokenizer):
    """One id a character. An unseen letter loses its accent if that makes it a known one."""

    kind = "char"

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self.vocabulary_size = len(SPECIALS) + len(characters)
        self._ids = {character: i for i, character in enumerate(characters, len(SPECIALS))}

    @classmethod
    def train(cls, texts: Iterable[str]) -> "CharacterTokenizer":
        """The characters of `texts` and the line end, the most frequent first."""
        counts = Counter("\n")
        for text in texts:
            counts.update(text)
        return cls("".join(sorted(counts, key=lambda character: (-counts[character], character))))

    def _id(self, character: str) -> int:
        known = self._ids.get(character)
        if known is not None:
            return known
        return self._ids.get(unicodedata.normalize("NFKD", character)[0], UNKNOWN)

    def encode(self, text: str) -> list[int]:
        return [self._id(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        first = len(SPECIALS)
        return "".join(
            self.characters[i - first] if i >= first else REPLACEMENT * (i == UNKNOWN) for i in ids
        )

    def to_json(self) -> str:
        return json.dumps({"type": "characters", "characters": self.characters}, indent=1) + "\n"


class BytePairTokenizer(Tokenizer):
    """Byte-level BPE: any Unicode text has ids, and they decode to exactly that text."""

    kind = "bpe"

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        inner.encode_special_tokens = True  # a typed "<|end|>" is text
        self._inner = inner
        self.vocabulary_size = inner.get_vocab_size()

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> "BytePairTokenizer":
        """Merges learned on `texts`, up to `vocabulary_size` ids with the special ones."""
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(False)]
        )
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=list(SPECIALS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            max_token_length=LARGEST_PIECE,
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    def encode(self, text: str) -> list[int]:
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._inner.decode(list(ids), skip_special_tokens=True))

    def to_json(self) -> str:
        return str(self._inner.to_str(pretty=False)) + "\n"


def tokenizer_from_json(text: str) -> Tokenizer:
    """The tokenizer whose `to_json` gave `text`; raises WeightsError if it is none."""
    try:
        parsed = json.loads(text)
        if parsed.get("type") == "characters":
            return CharacterTokenizer(parsed["characters"])
        return BytePairTokenizer(tokenizers.Tokenizer.from_str(text))
    except Exception as error:  # the library raises bare Exception for a wrong file
        raise WeightsError(f"it is not a tokenizer file ({error})") from error
