"""The word filter: what it catches however it is spelled, and what it must let pass."""

import pytest

from model.rhyme import words
from model.word_filter import (
    HARMLESS_IN_VERSE,
    is_offensive,
    obscene_words,
    offensive_words,
    refusal,
    word_list,
)

PLAIN = """
fuck | FUCK this | Fucking hell | fuckers | motherfuckin' road | absofuckinglutely | bitchin'
sluts | shittiest | whores | raped | wankers | assholes | jerk-off | hand job | two girls one cup
stfu | coons | the darkies | half-breed
"""
DIGITS_AND_SIGNS = """
sh1t | 5hit | sh!t | $hit | $h!t | sh|t | shi+ | sh17 | b1tch | bi+ch | 8itch | @ss | a$$
@$$hole | a55h0le | c0ck | d!ck | d1ckhead | p0rn | pu$$y | s3x | $ex | s1ut | wh0re | fu(k | fu¢k
fuc|< | f|_|ck | bullsh1t | r3tard | k1ke | my 5h1t again
"""
MASKS = """
f*ck | f**k | f*** | f*cked | f*****g rain | f***ing | motherf*cker | f#ck | f%ck | f@ck | f!ck
f_ck | f-ck | f.ck | f--k | *uck | sh*t | s**t | b*tch | b***h | *ss | a**hole | c*nt | p*ssy
dipsh*t | f🔥ck
"""
LETTERS_APART = """
f u c k | F U C K this | f  u  c  k | f u c k i n g | f.u.c.k | f-u-c-k | f_u_c_k | f*u*c*k
f/u/c/k | f, u, c, k | f . u . c . k | f'u'c'k | what the f u c k y o u | s h i t | s h ! t
s.h.1.t | s-h-i-t-t-y | a s s h o l e | he is a d i c k | f uck | fu ck | fu.ck | sh-it | fuc-king
"""
STRETCHED = "fuuuuck | fuckkkk | fffuuuccckkk | fuuck | shiiit | shiit | biiitch | asssss | cuuunt"
OTHER_LETTERS = """
fück | shït | f̶u̶c̶k̶ | fυck | fսck | fuсk | ѕhіt | ｆｕｃｋ | ｓ ｈ ｉ ｔ | 𝓯𝓾𝓬𝓴 | 𝕤𝕙𝕚𝕥
ⓕⓤⓒⓚ | ꜰᴜᴄᴋ | 🅵🆄🅲🅺 | ᖴᑌᑕK | f\u200bu\u200bc\u200bk | 🖕
"""
RESPELLED = "fvck | phuck | fcuk | fuq | azzhole | **fuck** | ||shit|| | _sh1t_ | rain/sh1t"

INNOCENT = """
Scunthorpe | the class of the bass | assassin | cockpit | cocktail | he cocked his head | Dickens
titan | a titter in the hall | butter | Sussex | sextet | the canal | cumin | cucumber | document
circumstance | spicy spices | raccoon | rappers rapping | wrapped in grapes | therapist | drapes
snigger | niggardly | Nigeria | swank | saltwater | wristwatch | shiitake | Shiites | Matsushita
Lifshitz | pussycat | Arsenal | Penistone | Fukushima | E. E. Cummings | peacock | Essex
the night is hot | a sit in the sun | push it | Push It! | as she hits the road
wish it would rain | pop us sy | who're you | sh, it's a secret | this hit
all our assets | hell | damn | god damn it | kiss me | bloody Sunday | sexy | suck it up
hoe the row | scat | poof! | Dick Van Dyke | Moby Dick | Tom, Dick and Harry | Dick Tracy
spick and span | a chink of light | cock-a-doodle-doo | tit for tat | pussy willow | Cripple Creek
John Lee Hooker | Sex Pistols | tied up in knots | a big black car | tainted love | girl on fire
make me come home | strap on boots | A B C | I C U | U.S.A. | S.O.S. | F U N | R E S P E C T
C L A S S | B-A-S-S | A S S I G N | it's a s | I sh*ne | l*ve | G*d | d*mn | M*A*S*H | A$AP
Ke$ha | P!nk | Ki$$ | Mi$$ you | R&B | rock & roll | rock 'n' roll | AC/DC | 24/7 | 3am | B4 | gr8
A55 | U2 | C4 | A+ | #1 | @home | 1999 | i <3 u | I ❤ U | *push it* | *hit me* | *it was*
**rain** | as* | yes!!! | wooop wooop | wooops | sooooon | cooool | t-shirt | x-ray | f-stop
uh-huh | señorita | café | Beyoncé | я тебя люблю | αγάπη | 日本の歌
"""


def entries(table: str) -> list[str]:
    """A table's entries; "||" is Discord's spoiler and no border."""
    return [entry for line in table.strip().splitlines() for entry in line.split(" | ")]


@pytest.mark.parametrize(
    "table",
    [PLAIN, DIGITS_AND_SIGNS, MASKS, LETTERS_APART, STRETCHED, OTHER_LETTERS, RESPELLED],
    ids=["plain", "digits and signs", "masks", "apart", "stretched", "other letters", "respelled"],
)
def test_an_offensive_word_is_found_however_it_is_spelled(table: str) -> None:
    assert [typed for typed in entries(table) if not offensive_words(typed)] == []


def test_it_is_found_in_the_middle_of_a_line_as_well() -> None:
    tables = (PLAIN, DIGITS_AND_SIGNS, MASKS, STRETCHED, OTHER_LETTERS, RESPELLED)

    tricks = [typed for table in tables for typed in entries(table)]

    assert [trick for trick in tricks if not offensive_words(f"the rain, {trick}, came down")] == []


def test_innocent_words_and_lines_pass() -> None:
    found = {typed: offensive_words(typed) for typed in entries(INNOCENT)}

    assert {typed: what for typed, what in found.items() if what} == {}


def test_what_is_found_is_named_once_and_as_it_was_typed() -> None:
    assert offensive_words("Sh1t, the rain, sh1t, and a HAND JOB") == ("sh1t", "hand job")


def test_a_harmless_phrase_does_not_cover_for_another_word() -> None:
    assert offensive_words("Moby Dick is a dick") == ("dick",)


@pytest.mark.parametrize("text", ["", " ", "...", "***", "🎵", "12345", "!!! ???", "\u200b"])
def test_text_without_words_is_clean(text: str) -> None:
    assert offensive_words(text) == ()


@pytest.mark.parametrize(
    "text", ["f" * 200, "a*" * 100, "f u " * 50, "aaabbb" * 33, "fu" + "c " * 99]
)
def test_text_without_sense_is_clean(text: str) -> None:
    assert offensive_words(text) == ()


@pytest.mark.parametrize("word", ["bitch's", "asses", "pussies", "shiiit", "bullshitters", "shït"])
def test_a_written_word_is_judged_without_its_ending(word: str) -> None:
    assert is_offensive(word)


@pytest.mark.parametrize("word", ["hit", "class", "cocked", "rapping", "damn", "don't", "'em", ""])
def test_an_innocent_written_word_passes(word: str) -> None:
    assert not is_offensive(word)


def test_every_slur_of_the_file_is_found_as_a_word_and_in_a_text() -> None:
    listed = word_list("slurs.txt")

    assert listed
    assert [slur for slur in listed if not (is_offensive(slur) and offensive_words(slur))] == []


def test_what_verse_may_say_is_said_in_songs_as_well() -> None:
    assert HARMLESS_IN_VERSE.isdisjoint(obscene_words())
    assert not any(map(is_offensive, HARMLESS_IN_VERSE))


def test_the_refusal_names_the_option_and_is_clean_itself() -> None:
    text = refusal("title")

    assert "the title" in text
    assert not any(map(is_offensive, words(text)))
