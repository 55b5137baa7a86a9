"""The song's frame."""

import pytest

from model.corpus import Song
from model.frame import frame_song, frame_wish
from model.tokenizer import END, GENRE, START, TEXT, TITLE, CharacterTokenizer
from model.wish import Wish

SONG = Song("Rain", "country", "[Verse 1]\nRain on the road\nAll the way home")
TOKENIZER = CharacterTokenizer.train([SONG.text, "Rain country"])


def test_a_song_is_framed_as_start_genre_title_text_end() -> None:
    encode = TOKENIZER.encode
    assert frame_song(TOKENIZER, SONG).ids() == [
        START,
        GENRE,
        *encode("country"),
        TITLE,
        *encode("Rain"),
        TEXT,
        *encode(SONG.text),
        END,
    ]


def test_genre_title_and_leading_heading_can_each_be_left_out() -> None:
    framed = frame_song(TOKENIZER, SONG)
    rest = SONG.text.partition("\n")[2]
    assert framed.ids(genre=False, title=False, heading=False) == [
        START,
        TEXT,
        *TOKENIZER.encode(rest),
        END,
    ]


@pytest.mark.parametrize("text", ["[Chorus]", "[la la la] and more\nRain"])
def test_a_first_line_that_is_all_there_is_or_sung_is_no_heading(text: str) -> None:
    framed = frame_song(TOKENIZER, Song(None, None, text))
    assert TOKENIZER.decode(framed.ids(heading=False)) == TOKENIZER.decode(framed.ids())


def test_a_wish_gives_the_head_of_the_frame_of_a_song_that_opens_like_it() -> None:
    wish = Wish(seed="Rain on", genre="country", title="Rain")
    framed = frame_song(TOKENIZER, Song("Rain", "country", "Rain on the road"))
    ids = frame_wish(TOKENIZER, wish)
    assert framed.ids()[: len(ids)] == ids
    assert frame_wish(TOKENIZER, Wish()) == [START, TEXT]
