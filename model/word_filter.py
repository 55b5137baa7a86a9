"""The word filter: slurs and obscene words, in what people type and in what is written.

Slurs are told by a list of our own (slurs.txt), obscene words by the list that glin-profanity
maintains, less those that mean something else in songs. Words are compared whole, so that
Scunthorpe can be sung about; only stems that hardly any other word holds are looked for inside one.
Typed text is read as people see it: sh1t, sh*t, s-h-i-t, s h i t and shiiiit are the same word.
Letters are joined over a blank only where they stand alone: "push it" is clean.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from model.rhyme import CACHED_WORDS, words

# On the list of glin-profanity for another meaning than verse has in mind.
HARMLESS_IN_VERSE = frozenset(
    {
        "bondage",
        "domination",
        "escort",
        "grope",
        "hoe",
        "hoes",
        "intercourse",
        "snatch",
        "spunk",
        "suck",
        "sucks",
        "undressing",
    }
)
# Looked for inside words, each letter once or more: "absofuckinglutely". The exceptions spare
# Matsushita, shiitake, Shiites, Lifshitz, snigger, niggardly, Scunthorpe, pussycat and pussyfoot.
_STEM = re.compile(
    r"f+u+c+k|s+h+i+t+(?![aeiz])|(?<!s)n+i+g{2,}(?:e+r|a+(?![ar]))|c+u+n+t+(?![ht])|b+i+t+c+h"
    r"|w+h+o+r+e|p+u+s{2,}y+(?!cat|foot|y)|a+s{2,}h+o+l+e|f+a+g{2,}[io]+t|c+o+c+k+s+u+c+k"
    r"|d+i+c+k+h+e+a+d|j+i+z{2,}"
)
# Looked for over blanks as well, as in "f uck" and "fu ck": no words make these up.
_SPLIT = re.compile(
    r"(?<![^\W_])(?:f[\W_]*(?:u[\W_]*)+(?:c[\W_]*)+k|c[\W_]*(?:u[\W_]*)+(?:n[\W_]*)+t(?![^\W_])"
    r"|n[\W_]*(?:i[\W_]*)+g[\W_]*(?:g[\W_]*)+(?:(?:e[\W_]*)+r|a(?![^\W_])))"
)
_UNSTRETCHED = frozenset({"wop", "wops"})  # "wooop" is a shout

# Letters of other alphabets, by the Latin letter that they are drawn like.
_SHAPES = {
    "a": "аαɑɐᗩ",
    "b": "вьβᗷ",
    "c": "сϲɔᑕ",
    "d": "ԁᗪ",
    "e": "еєεǝ",
    "f": "ƒғᖴ",
    "g": "ցɡ",
    "h": "һнհɥᕼ",
    "i": "іιı",
    "j": "јᒍ",
    "k": "кκ",
    "l": "ӏᒪ",
    "m": "мɯᗰ",
    "n": "пηոᑎ",
    "o": "оοσօ",
    "p": "рρᑭ",
    "q": "ԛ",
    "r": "гɹ",
    "s": "ѕᔕ",
    "t": "тτʇ",
    "u": "υսᑌ",
    "v": "ѵνᐯ",
    "w": "ԝшωʍᗯ",
    "x": "хχ",
    "y": "уγ",
}
_LATIN = {ord(shape): letter for letter, shapes in _SHAPES.items() for shape in shapes}
_LETTER_NAME = re.compile(r".*LATIN.* (?:LETTER|CAPITAL) ([A-Z])(?: WITH .*)?|REGIONAL.* ([A-Z])")
_HIDDEN = {"Mn", "Me", "Cf"}  # accents, enclosing marks, zero width

_SIGNS_AS_LETTERS = {"|_|": "u", "|<": "k", "()": "o"}
_LEET = {**dict(zip("034567892@$+€£¢(", "oeasgtbgzastelcc", strict=True)), "¡": "i"}
_LEET_WITH_I, _LEET_WITH_L = (
    str.maketrans(_LEET | dict.fromkeys("1!|", letter)) for letter in "il"
)
_OPENING = " \"'([{<.,:;?¿-–—…/"
_CLOSING = " \"')]}>.,:;?!-–—…/"
_EMPHASIS = re.compile(r"([*_~|`]+)(.*[^*_~|`])\1")
_INSIDE = re.compile(r"(?<=\w)[-._*/~·•](?=\w)")
_LETTERS_APART = re.compile(r"[^\W_](?:[^\w\s]+[^\W_]){2,}")
_MASK = re.compile(r"[^\w\s\"'()\[\]{}<>.,:;?/&+$£€–—…-]")  # one for each hidden letter
_DASHED = re.compile(r"[a-z]+([-._]|--+|__+)[a-z]+")
_ALONE = frozenset("@$!*+|")  # each a letter among letters that stand apart, as in "s h ! t"
_MASKED_START = ("ass", "cunt", "fuck", "nigg")  # "*hit" may well open something emphasized


def refusal(option: str) -> str:
    """What to tell a person whose seed, title or keyword, named by `option`, is not clean."""
    return (
        f"Let's keep it clean: the {option} holds something that the word filter leaves out. "
        "Try other words, or have the filter switched off."
    )


def offensive_words(text: str) -> tuple[str, ...]:
    """What is slurring or obscene in a typed text, however it is spelled; () when it is clean.

    Each once, in lower case and without accents, but with its digits and signs: "5h1t".
    """
    folded = _harmless_phrases().sub(" ", _folded(text))
    found = [word for word in words(folded) if is_offensive(word)]
    chunks = folded.split()
    rest = [chunk for chunk in chunks if set(found).isdisjoint(words(chunk))]
    found += [_core(chunk) for chunk in rest if _is_disguised(chunk)]
    found += _spelled_out(chunks)
    split = (match.group() for match in _SPLIT.finditer(folded.translate(_LEET_WITH_I)))
    found += (letters for letters in split if not letters.isalpha())
    spaced = f" {' '.join(words(folded))} "
    found += (phrase for phrase in _phrases() if f" {phrase} " in spaced)
    return tuple(dict.fromkeys(found))


@lru_cache(CACHED_WORDS)
def is_offensive(word: str) -> bool:
    """Whether a single word in lower case, as rhyme.words() gives it, is slurring or obscene."""
    word = (word if word.isascii() else _folded(word)).removesuffix("'s").strip("'")
    return _is_listed(word) or _STEM.search(word) is not None or _is_stretched(word)


@cache
def obscene_words() -> frozenset[str]:
    """Words and phrases of slurs.txt and of glin-profanity, less HARMLESS_IN_VERSE."""
    from glin_profanity.data.dictionary import DictionaryLoader

    listed = frozenset(DictionaryLoader().get_words("english"))
    return word_list("slurs.txt") | listed - HARMLESS_IN_VERSE


@cache
def word_list(name: str) -> frozenset[str]:
    """The words of a file beside this one, one a line; lines that start with # are remarks."""
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


# --- the lists -------------------------------------------------------------------------------


@cache
def _listed_words() -> frozenset[str]:
    """All that is offensive as it stands: words, their plurals, two words written as one."""
    entries = _filtered()
    joined = {entry.replace(" ", "") for entry in entries if entry.count(" ") == 1}
    found = {entry for entry in entries if " " not in entry} | joined
    found |= {_plural(word) for word in found if word.isalpha()}
    return frozenset(found - word_list("harmless.txt"))


@cache
def _phrases() -> tuple[str, ...]:
    return tuple(sorted(entry for entry in _filtered() if " " in entry))


def _filtered() -> frozenset[str]:
    """The words and phrases that the filter keeps out, as the lists have them."""
    return (obscene_words() | word_list("obscene.txt")) - word_list("harmless.txt")


@cache
def _words_by_length() -> dict[int, list[str]]:
    in_order = sorted(filter(str.isalpha, _listed_words()), key=len)
    return {length: list(found) for length, found in groupby(in_order, key=len)}


@cache
def _run_lengths() -> dict[str, list[list[int]]]:
    """By a listed word's letters with no letter twice running: how often running each stands."""
    found: dict[str, list[list[int]]] = {}
    for word in _listed_words() - _UNSTRETCHED:
        runs = [(letter, len(list(run))) for letter, run in groupby(word)]
        skeleton = "".join(letter for letter, _ in runs)
        found.setdefault(skeleton, []).append([length for _, length in runs])
    return found


@cache
def _harmless_phrases() -> re.Pattern[str]:
    in_text = (r"[\W_]+".join(entry.split()) for entry in word_list("harmless.txt") if " " in entry)
    return re.compile(rf"\b(?:{'|'.join(in_text)})\b")


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


# --- how a word can be dressed up ------------------------------------------------------------


def _folded(text: str) -> str:
    """In lower case and Latin letters, without accents, full width, and what cannot be seen."""
    for signs, letter in _SIGNS_AS_LETTERS.items():
        text = text.replace(signs, letter)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text).casefold().translate(_LATIN)
    return "".join(map(_plain_character, text))


@lru_cache(1000)
def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    if unicodedata.category(character) in _HIDDEN:
        return ""
    if character in "\u2018\u2019\u02bc\u00b4":
        return "'"
    named = _LETTER_NAME.fullmatch(unicodedata.name(character, ""))
    return (named[1] or named[2]).lower() if named else character


def _is_listed(word: str) -> bool:
    return word in _listed_words()


def _is_stretched(word: str) -> bool:
    """Whether letters drawn out to three or more hide a listed word."""
    runs = [(letter, len(list(run))) for letter, run in groupby(word)]
    if all(length < 3 for _, length in runs):
        return False
    skeleton = "".join(letter for letter, _ in runs)
    return any(
        all(typed >= 3 or typed == listed for (_, typed), listed in zip(runs, lengths, strict=True))
        for lengths in _run_lengths().get(skeleton, ())
    )


def _is_disguised(chunk: str) -> bool:
    """Whether signs and digits in a text without a blank hide an offensive word."""
    core = _core(chunk)
    if core.isalpha():
        return is_offensive(core)
    return (
        not _listed_words().isdisjoint({chunk, core})
        or "\N{REVERSED HAND WITH MIDDLE FINGER EXTENDED}" in chunk
        or any(_is_offensive_inside(core) or _is_masked(core) for core in (core, *_readings(core)))
    )


def _core(chunk: str) -> str:
    """The chunk without the punctuation and the *emphasis* around it."""
    core = chunk.lstrip(_OPENING).rstrip(_CLOSING)
    emphasized = _EMPHASIS.fullmatch(core)
    return emphasized[2] if emphasized else core


def _readings(core: str) -> tuple[str, ...]:
    """The chunk with digits and signs read as letters; none when it is rather a number."""
    letters, digits = sum(map(str.isalpha, core)), sum(map(str.isdigit, core))
    if not letters or (letters < 2 and letters < digits):
        return ()
    return core.translate(_LEET_WITH_I), core.translate(_LEET_WITH_L)


def _is_offensive_inside(core: str) -> bool:
    if any(map(is_offensive, words(core))):
        return True
    if _LETTERS_APART.fullmatch(core):
        return is_offensive(re.sub(r"[\W_]", "", core))
    joined = _INSIDE.sub("", core)
    return joined.isalpha() and (_is_listed(joined) or _is_stretched(joined))


def _is_masked(core: str) -> bool:
    """Whether a listed word is left when each mask stands for one letter: f*ck, f***, f-ck."""
    shown = len(re.findall("[a-z]", core))
    if dashed := _DASHED.fullmatch(core):
        letter = "[aeiouy]" if len(dashed[1]) == 1 else "[a-z]"
    elif 0 < shown < len(core) == shown + len(_MASK.findall(core)):
        if shown < 3 and core[:-1].isalpha():
            return False  # "as*" has a footnote
        letter = "[a-z]"
    else:
        return False
    listed = _words_by_length().get(len(core))
    if not listed:
        return False
    hidden = re.compile("".join(sign if sign.isalpha() else letter for sign in core))
    starts = ("",) if core[0].isalpha() else _MASKED_START
    return any(word.startswith(starts) and hidden.fullmatch(word) for word in listed)


def _spelled_out(chunks: list[str]) -> Iterator[str]:
    """Offensive words whose letters stand apart: "s h i t"."""
    letters: list[str] = []
    for chunk in [*chunks, "end"]:
        core = chunk if chunk in _ALONE else _core(chunk)
        if len(core) == 1:
            letters.append(core)
        elif core:
            if len(letters) >= 3 and any(map(_is_disguised, _with_and_without_ends(letters))):
                yield " ".join(letters)
            letters = []


def _with_and_without_ends(letters: list[str]) -> Iterator[str]:
    """The letters as one word, also without an "a", "I" or "u" at either end: "a d i c k"."""
    word = "".join(letters)
    yield word
    if word[0] in "aiou":
        yield word[1:]
    if word[-1] in "aiou":
        yield word[:-1]
