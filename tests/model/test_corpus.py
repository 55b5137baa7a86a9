"""Reading and writing songs: forms, errors in words, copies, and the split by a hash."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.corpus import Song, read_corpus, same_words_key, split, write_songs
from model.errors import CorpusError

TWO_SONGS = """title: Last Bus
genre: Country

[Verse 1]
Rain on the road
Home is far

[Chorus]
Roll on
===
Genre: rap
TITLE:  Night   Shift
Count the coins
"""


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_songs_have_titles_genres_stanzas_and_headings(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "a.txt", TWO_SONGS))
    first, second = corpus.songs
    assert (first.title, first.genre) == ("Last Bus", "country")
    assert first.text.startswith("[Verse 1]\nRain on the road\n")
    assert first.stanzas == [["Rain on the road", "Home is far"], ["Roll on"]]
    assert first.lines == ["Rain on the road", "Home is far", "Roll on"]
    assert second == Song("Night Shift", "rap", "Count the coins")
    assert corpus.genres == ("country", "rap")


def test_the_songs_in_lyrics_are_all_read_and_all_different() -> None:
    corpus = read_corpus(Path("lyrics"))
    assert len(corpus.songs) == 1320
    assert corpus.duplicates == 0
    assert len(corpus.genres) == 16
    assert all(song.title for song in corpus.songs)


def test_a_plain_text_is_one_song_without_title(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "plain.txt", "One\nTwo\n\n\nThree  \n\n"))
    assert corpus.songs == (Song(None, None, "One\nTwo\n\nThree"),)


def test_a_long_plain_text_is_cut_into_songs_and_loses_no_line(tmp_path: Path) -> None:
    stanzas = [f"First line {i}\nsecond line {i}\nthird line {i}" for i in range(100)]
    text = "\n\n".join(stanzas)
    corpus = read_corpus(write(tmp_path / "poems.txt", text))
    assert 5 <= len(corpus.songs) <= 20
    assert "\n\n".join(song.text for song in corpus.songs) == text
    run_on = "\n".join(f"line {i}" for i in range(300))
    corpus = read_corpus(write(tmp_path / "prose.txt", run_on))
    assert len(corpus.songs) == 4
    assert "\n".join(song.text for song in corpus.songs) == run_on


def test_folders_are_read_with_what_lies_below_them_in_the_order_of_names(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "second")
    write(tmp_path / "a" / "z.TXT", "first")
    write(tmp_path / "notes.md", "not a song")
    write(tmp_path / "._b.txt", b"\x00\x05")
    texts = [song.text for song in read_corpus(tmp_path).songs]
    assert texts == ["first", "second"]


def test_sources_that_overlap_are_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "only")
    corpus = read_corpus(tmp_path, path, tmp_path / "." / "a.txt")
    assert (len(corpus.songs), corpus.duplicates) == (1, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbftitle: x\nRain", id="byte order mark"),
        pytest.param(b"title: x\r\n\r\nRain\r\n", id="windows line ends"),
        pytest.param(b"\n\n  title: x\n\n\nRain\t\n", id="spaces and blank lines"),
        pytest.param(b"===\n===\ntitle: x\nRain\n===\n\n===", id="separators without songs"),
        pytest.param(b"title: x\nRain\x0c", id="page break"),
    ],
)
def test_odd_but_harmless_forms_are_read(tmp_path: Path, data: bytes) -> None:
    assert read_corpus(write(tmp_path / "a.txt", data)).songs == (Song("x", None, "Rain"),)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"one\ntwo \xe9t\xe9\n", 2, "UTF-8"),
        (b"one\r\n\r\nthr\x00ee", 3, "control character"),
        (b"one\n===\ntitle:  \ntext", 3, "the title is empty"),
        (b"title: a\ngenre: b\nTitle: c\ntext", 3, "a second title"),
        (b"text\n===\n\ntitle: a\n\n===\ntext", 4, "no text"),
    ],
)
def test_a_wrong_file_gets_one_line_naming_file_and_line(
    tmp_path: Path, data: bytes, line: int, words: str
) -> None:
    path = write(tmp_path / "rap.txt", data)
    with pytest.raises(CorpusError) as error:
        read_corpus(path)
    message = str(error.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message
    assert "\n" not in message


def test_missing_empty_and_packed_sources_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere\.txt does not exist"):
        read_corpus(tmp_path / "nowhere.txt")
    with pytest.raises(CorpusError, match=r"no \.txt file in the folder"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="no text to learn from"):
        read_corpus(write(tmp_path / "blank.txt", "\n \n"))
    with pytest.raises(CorpusError, match="python -m model prepare"):
        read_corpus(write(tmp_path / "verse.ndjson.gz", b"\x1f\x8b"))


def test_copies_are_dropped_whatever_their_case_and_punctuation(tmp_path: Path) -> None:
    text = "title: A\nRain, on the ROAD!\n===\ntitle: B\n[Verse]\nrain on the road\n===\nSun"
    corpus = read_corpus(write(tmp_path / "a.txt", text))
    assert [song.title for song in corpus.songs] == ["A", None]
    assert corpus.duplicates == 1


def test_the_split_follows_the_words_and_not_the_place(tmp_path: Path) -> None:
    songs = [Song(f"t{i}", "pop", f"Song number {i}\nand on it goes") for i in range(600)]
    write_songs(songs, tmp_path / "a.txt")
    write_songs(songs[::-1], tmp_path / "b.txt")
    one, other = read_corpus(tmp_path / "a.txt"), read_corpus(tmp_path / "b.txt")
    for part in ("train", "validation", "test"):
        assert set(one.part(part)) == set(other.part(part))
    assert sum(len(one.part(part)) for part in ("train", "validation", "test")) == 600
    assert 0.85 < len(one.part("train")) / 600 < 0.95
    assert split(songs[7]) == split(Song(None, None, songs[7].text.upper() + "!"))


def test_the_split_never_changes_between_versions() -> None:
    parts = [split(Song(None, None, f"Song {number}")) for number in (29, 30, 79)]
    assert parts == ["train", "test", "validation"]


@pytest.mark.parametrize(
    ("song", "words"),
    [
        (Song(None, None, "title: my way\nrest"), "reads as a header"),
        (Song("x", None, "one\n===\ntwo"), "separates songs"),
        (Song("x", None, ""), "needs a text"),
        (Song("x", None, "one\n\n\ntwo"), "normalized"),
        (Song("x\ny", None, "one"), "normalized"),
        (Song("x", "Rap", "one"), "normalized"),
    ],
)
def test_a_song_that_would_not_read_back_is_refused_and_nothing_is_written(
    tmp_path: Path, song: Song, words: str
) -> None:
    out = tmp_path / "out.txt"
    with pytest.raises(CorpusError, match=words):
        write_songs([Song(None, None, "fine"), song], out)
    assert list(tmp_path.iterdir()) == []


def test_writing_nothing_or_nowhere_is_refused_and_keeps_the_old_file(tmp_path: Path) -> None:
    out = write(tmp_path / "out.txt", "old")
    with pytest.raises(CorpusError, match="no songs to write"):
        write_songs([], out)
    assert out.read_text() == "old"
    with pytest.raises(CorpusError, match="cannot be written"):
        write_songs([Song(None, None, "x")], tmp_path / "missing" / "out.txt")
    with pytest.raises(CorpusError, match="is a folder"):
        write_songs([Song(None, None, "x")], tmp_path)


LINES = st.text(string.ascii_letters + " :=[]'é語", min_size=1, max_size=20).map(str.rstrip)
TEXTS = (
    st.lists(
        st.lists(LINES.filter(bool), min_size=1, max_size=3).map("\n".join), min_size=1, max_size=15
    )
    .map("\n\n".join)
    .filter(lambda text: "===" not in text and not text.lower().lstrip().startswith(("t", "g")))
)
NAMES = st.text(string.ascii_lowercase + string.digits + "-é", min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(
    songs=st.lists(
        st.builds(Song, st.none() | NAMES, st.none() | NAMES, TEXTS),
        min_size=1,
        max_size=6,
        unique_by=lambda song: same_words_key(song.text),
    )
)
def test_what_is_written_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, songs: list[Song]
) -> None:
    path = tmp_path_factory.mktemp("corpus") / "songs.txt"
    write_songs(songs, path)
    assert list(read_corpus(path).songs) == songs
