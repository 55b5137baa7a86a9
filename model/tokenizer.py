"""Text to token ids and back, behind one interface: characters, byte pairs, or words.

Ids 0 to 5 are special and mean the same in every tokenizer; no typed text can produce one but
UNKNOWN, so a seed that spells "<|end|>" is plain text. Byte-pair merges (Sennrich et al. 2016) over
bytes (Radford et al. 2019) come from the `tokenizers` library and stand in its own file format.
A line end is always a token of its own, so a generated lyric can stop on a whole line.
"""

import json
import random
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from model.errors import TrainingError

TOKENIZERS = ("bpe", "char", "word")

SPECIALS = ("<|start|>", "<|genre|>", "<|title|>", "<|text|>", "<|end|>", "<|unknown|>")
START, GENRE, TITLE, TEXT, END, UNKNOWN = range(len(SPECIALS))
REPLACEMENT = "\ufffd"  # what UNKNOWN, or half of a UTF-8 sequence, decodes to
LARGEST_PIECE = 24  # bytes; longer merges only memorize
MERGED_CHARACTERS = 50_000_000  # text that merges are learned on; more takes memory, changes little
COUNTED_WORDS = 1_000_000  # different words counted at once, some 180 MB

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # of a surrogate pair: Python's strings can hold it
# Han, kana, and scripts of south-east Asia, which put no space between words: a character a token
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)


class Tokenizer(ABC):
    """Turns text into ids and ids into text; special ids but UNKNOWN decode to nothing.

    Half of a surrogate pair in a text, which is no character, counts as unknown or REPLACEMENT.
    """

    kind: str
    vocabulary_size: int
    layout_ids: range = range(0)  # marks of a line and what follows them; they are no text
    forced_ids: range = range(0)  # of these, what follows from the text before: given, not foretold

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of `text`; never a special id, except UNKNOWN for a character or word not known."""

    def encode_lines(self, text: str) -> list[int]:
        """Ids of whole lines as the network reads them, marks included (see `rhyme_marks.py`)."""
        return self.encode(text)

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`; the inverse of both wherever nothing was unknown."""

    @abstractmethod
    def to_json(self) -> str:
        """The content of `tokenizer.json`."""

    def mark_name(self, i: int) -> str:
        """What to call an id of `layout_ids` where tokens are shown; "" for any other."""
        return ""

    @property
    def newline(self) -> int:
        """The id of the line end."""
        return self.encode("\n")[0]

    def marks(self, stanza: Sequence[str]) -> Mapping[int, int]:
        """What may stand before the last word of the next sung line, behind these of its stanza.

        Each mark with the id of `forced_ids` that then has to follow.
        """
        return {}


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
            counts.update(_HALF_CHARACTER.sub("", text))
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

    def __init__(self, pairs: models.BPE) -> None:
        self._inner = tokenizers.Tokenizer(pairs)
        self._inner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(False)]
        )
        self._inner.decoder = decoders.ByteLevel()
        self._inner.add_special_tokens(list(SPECIALS))
        self._inner.encode_special_tokens = True  # a typed "<|end|>" is text
        self.vocabulary_size = self._inner.get_vocab_size()

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> "BytePairTokenizer":
        """Merges learned on `texts`, up to `vocabulary_size` ids with the special ones.

        Of more than MERGED_CHARACTERS a random part is read, the same one each time.
        """
        inner = cls(models.BPE())._inner
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=list(SPECIALS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            max_token_length=LARGEST_PIECE,
            show_progress=False,
        )
        sample = (_HALF_CHARACTER.sub("", text) for text in _sample(texts, MERGED_CHARACTERS))
        inner.train_from_iterator(sample, trainer)
        return cls(inner.model)

    def encode(self, text: str) -> list[int]:
        try:
            return list(self._inner.encode(text, add_special_tokens=False).ids)
        except TypeError:  # the library takes what UTF-8 can hold, no half of a character
            whole = _HALF_CHARACTER.sub(REPLACEMENT, text)
            return list(self._inner.encode(whole, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._inner.decode(list(ids), skip_special_tokens=True))

    def to_json(self) -> str:
        return str(self._inner.to_str(pretty=False)) + "\n"


class WordTokenizer(Tokenizer):
    """One id a word or mark, with the space before it; one that was seldom seen is UNKNOWN.

    "Rain on the road!" is "Rain", " on", " the", " road", "!", so that decoding only joins. White
    space of any other kind is one token a character.
    """

    kind = "word"

    def __init__(self, words: Sequence[str], lower_case: bool) -> None:
        self.words = tuple(words)
        self.lower_case = lower_case
        self.vocabulary_size = len(SPECIALS) + len(self.words)
        self._ids = {word: i for i, word in enumerate(self.words, len(SPECIALS))}
        self._texts = ("",) * UNKNOWN + (REPLACEMENT, *self.words)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int,
        *,
        lower_case: bool = False,
        minimum_count: int = 1,
    ) -> "WordTokenizer":
        """The line end and the most frequent words, up to `vocabulary_size` ids in all.

        Words that occur less than `minimum_count` times are left out. While there are more than
        COUNTED_WORDS different ones, the rarest so far are forgotten (as in word2vec, Mikolov et
        al. 2013). Raises TrainingError when no word is left.
        """
        counts: Counter[str] = Counter()
        rarest = 0
        for text in texts:
            counts.update(_words(_HALF_CHARACTER.sub("", text), lower_case))
            while len(counts) > COUNTED_WORDS:
                rarest += 1
                counts = Counter({word: n for word, n in counts.items() if n > rarest})
        del counts["\n"]
        known = [word for word, count in counts.items() if count >= minimum_count]
        known.sort(key=lambda word: (-counts[word], word))
        words = ["\n", *known][: max(0, vocabulary_size - len(SPECIALS))]
        if not any(word.strip() for word in words):
            raise TrainingError(
                f"No word is left of the text with a vocabulary of {vocabulary_size} and a "
                f"minimum_count of {minimum_count}: raise the vocabulary or lower the count."
            )
        return cls(words, lower_case)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(word, UNKNOWN) for word in _words(text, self.lower_case)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join([self._texts[i] for i in ids])

    def to_json(self) -> str:
        content = {"type": "words", "lower_case": self.lower_case, "words": self.words}
        return json.dumps(content, indent=1) + "\n"


def plain_tokenizer(parsed: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a parsed `to_json`; raises any Exception if it is none."""
    kind = parsed.get("type")
    if kind == "characters":
        return CharacterTokenizer("".join(_checked_tokens(list(parsed["characters"]))))
    if kind == "words":
        if not isinstance(parsed["lower_case"], bool):
            raise ValueError("lower_case is neither true nor false")
        return WordTokenizer(_checked_tokens(parsed["words"]), parsed["lower_case"])
    return BytePairTokenizer(_checked_pairs(parsed["model"]))


def _checked_tokens(tokens: list[str]) -> list[str]:
    """Different, whole texts, the line end one of them and part of no other; else ValueError."""
    if [token for token in tokens if "\n" in token] != ["\n"]:
        raise ValueError("the line end is not one token")
    if "" in tokens or len(set(tokens)) != len(tokens):
        raise ValueError("a token is empty or stands there twice")
    "".join(tokens).encode()  # UnicodeEncodeError, a ValueError, for half of a character
    return tokens


def _checked_pairs(content: dict[str, Any]) -> models.BPE:
    """What the file of byte pairs holds under "model"; else ValueError or what the library raises.

    The rest of the file says what BytePairTokenizer sets by itself.
    """
    vocabulary, merges = content["vocab"], [(left, right) for left, right in content["merges"]]
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("the ids do not count up from 0")
    if any(vocabulary.get(token) != i for i, token in enumerate(SPECIALS)):
        raise ValueError("the special tokens do not come first")
    if not vocabulary.keys() >= set(pre_tokenizers.ByteLevel.alphabet()):
        raise ValueError("a byte has no token")
    # the library panics at a merge that makes no token, and no `except Exception` catches that
    if not all({left, right, left + right} <= vocabulary.keys() for left, right in merges):
        raise ValueError("a merge makes no token")
    return models.BPE(vocabulary, merges)


def _sample(texts: Iterable[str], characters: int) -> list[str]:
    """All texts, or while they have more characters than that, every other one by chance."""
    rng = random.Random(0)
    kept: list[str] = []
    total, share = 0, 1.0
    for text in texts:
        if rng.random() < share:
            kept.append(text)
            total += len(text)
        while total > characters and len(kept) > 1:
            share /= 2
            kept = [text for text in kept if rng.random() < 0.5] or kept[:1]
            total = sum(map(len, kept))
    return kept


def _words(text: str, lower_case: bool) -> list[str]:
    """`text` cut into words, marks and white space; joined they are the text (in lower case)."""
    return _word_pattern().findall(text.lower() if lower_case else text)


@cache
def _word_pattern() -> re.Pattern[str]:
    """A word with the space before it, or any other character with its space and its accents.

    A word goes on over apostrophes between letters and over combining marks and joiners, which
    write the vowels of many scripts.
    """
    marks = (chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c)).startswith("M"))
    inner = "".join(marks) + "\u200c\u200d"
    letter = rf"[^\W_{_UNSPACED}]"
    word = rf"{letter}+(?:(?:[{inner}]|['\u2019](?={letter})){letter}*)*"
    return re.compile(rf"\n| ?{word}| ?\S[{inner}]*|\s")
