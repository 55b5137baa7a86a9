"""Reading and writing songs: forms, errors in words, copies, the split, and memory."""

import gc
import os
import re
import string
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import corpus as corpus_module
from model import song_format, text_blocks
from model.corpus import (
    Corpus,
    Part,
    Song,
    SongFiles,
    is_heading,
    read_corpus,
    same_words_key,
    split,
    validation_songs,
    vocabulary_texts,
    write_songs,
)
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


@pytest.fixture(params=["in memory", "from files"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading as a small corpus is read, and as a large one is."""
    if request.param == "from files":
        monkeypatch.setattr(corpus_module, "SMALL_CORPUS", 0)


def test_songs_have_titles_genres_stanzas_and_headings(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "a.txt", TWO_SONGS))
    first, second = corpus
    assert (first.title, first.genre) == ("Last Bus", "country")
    assert first.text.startswith("[Verse 1]\nRain on the road\n")
    assert first.stanzas == [["Rain on the road", "Home is far"], ["Roll on"]]
    assert first.lines == ["Rain on the road", "Home is far", "Roll on"]
    assert second == Song("Night Shift", "rap", "Count the coins")
    assert corpus.genres == ("country", "rap")


def test_the_songs_in_lyrics_are_all_read_and_all_different() -> None:
    corpus = read_corpus(Path("lyrics"))
    assert len(corpus) == 1320
    assert corpus.duplicates == 0
    assert len(corpus.genres) == 16
    assert all(song.title for song in corpus)


def test_a_plain_text_is_one_song_without_title(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "plain.txt", "One\nTwo\n\n\nThree  \n\n"))
    assert list(corpus) == [Song(None, None, "One\nTwo\n\nThree")]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("block", [1, 100, 2**20])
def test_a_long_plain_text_is_cut_into_songs_and_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK", block)
    stanzas = [f"First line {i}\nsecond line {i}\nthird line {i}" for i in range(100)]
    text = "\n\n".join(stanzas)
    corpus = read_corpus(write(tmp_path / "poems.txt", text))
    assert 5 <= len(corpus) <= 20
    assert "\n\n".join(song.text for song in corpus) == text
    run_on = "\n".join(f"line {i}" for i in range(300))
    corpus = read_corpus(write(tmp_path / "prose.txt", f"===\n\n{run_on}\n===\n"))
    assert len(corpus) == 4
    assert "\n".join(song.text for song in corpus) == run_on


@pytest.mark.parametrize("headers", ["title: x\n", "genre: y\n\n", "short\n===\n"])
def test_a_long_text_with_a_header_or_a_separator_stays_whole(tmp_path: Path, headers: str) -> None:
    text = "\n".join(f"line {i}" for i in range(300))
    assert list(read_corpus(write(tmp_path / "a.txt", headers + text)))[-1].text == text


def test_folders_are_read_with_what_lies_below_them_in_the_order_of_names(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "second")
    write(tmp_path / "a" / "z.TXT", "first")
    write(tmp_path / "notes.md", "not a song")
    write(tmp_path / "._b.txt", b"\x00\x05")
    texts = [song.text for song in read_corpus(tmp_path)]
    assert texts == ["first", "second"]


def test_sources_that_overlap_are_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "only")
    corpus = read_corpus(tmp_path, path, tmp_path / "." / "a.txt")
    assert (len(corpus), corpus.duplicates) == (1, 0)


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
    assert list(read_corpus(write(tmp_path / "a.txt", data))) == [Song("x", None, "Rain")]


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"one\ntwo \xe9t\xe9\n", 2, "UTF-8"),
        (b"one\r\n\r\nthr\x00ee", 3, "control character"),
        (b"one\n===\ntitle:  \ntext", 3, "the title is empty"),
        (b"title: a\ngenre: b\nTitle: c\ntext", 3, "a second title"),
        (b"text\n===\n\ntitle: a\n\n===\ntext", 4, "no text"),
        (b"\xef\xbb\xbfa\n\xe9\n", 2, "UTF-8"),
        (b"one\rtwo\r\nthree\n\xc2\x85", 4, "control character"),
    ],
)
@pytest.mark.parametrize("block", [1, 3, 2**20])
def test_a_wrong_file_gets_one_line_naming_file_and_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    line: int,
    words: str,
    block: int,
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK", block)
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
        read_corpus(write(tmp_path / "blank.txt", "\n \n" + "===\n" * 100_000))
    with pytest.raises(CorpusError, match="python -m model prepare"):
        read_corpus(write(tmp_path / "verse.ndjson.gz", b"\x1f\x8b"))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    line = b"a line\n" + b"x" * (text_blocks.LONGEST_LINE + 1)
    path = write(tmp_path / "a.txt", line + b"\nend")
    with pytest.raises(CorpusError, match=r"a\.txt, line 2: this line is longer than"):
        read_corpus(path)
    assert len(read_corpus(write(tmp_path / "b.txt", line[:-1] + b"\r\nend"))) == 1


@pytest.mark.parametrize("block", [100, 2**20])
def test_a_song_without_end_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(song_format, "LONGEST_SONG", 700)
    monkeypatch.setattr(text_blocks, "BLOCK", block)
    song = "a line\n" * 101
    path = write(tmp_path / "a.txt", "first\n===\n" + song)
    with pytest.raises(CorpusError, match=r"a\.txt, line 3: here begins a song of more than 700"):
        read_corpus(path)
    write(path, "first\n===\n" + song[:-7] + "===\nlast")
    assert [len(song.text) for song in read_corpus(path)] == [5, 699, 4]


def test_a_plain_text_of_long_lines_is_cut_before_its_songs_are_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(song_format, "LONGEST_SONG", 1000)
    lines = [f"{number} " + "and on " * 50 for number in range(9)]
    corpus = read_corpus(write(tmp_path / "a.txt", "\n".join(lines)))
    assert "\n".join(song.text for song in corpus).split("\n") == [line.rstrip() for line in lines]
    assert all(len(song.text) <= 1000 for song in corpus)


def test_a_pipe_is_refused_for_it_cannot_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(CorpusError, match="cannot be read twice"):
        read_corpus(tmp_path / "pipe.txt")


@pytest.mark.usefixtures("kept")
def test_copies_are_dropped_whatever_their_case_and_punctuation(tmp_path: Path) -> None:
    text = "title: A\nRain, on the ROAD!\n===\ntitle: B\n[Verse]\nrain on the road\n===\nSun"
    corpus = read_corpus(write(tmp_path / "a.txt", text))
    assert [song.title for song in corpus] == ["A", None]
    assert corpus.duplicates == 1


@pytest.mark.usefixtures("kept")
def test_a_copy_in_another_file_is_dropped_with_its_genre(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "genre: pop\nRain\n===\nSun\n===\n...")
    write(tmp_path / "b.txt", "genre: rap\nrain!\n===\ngenre: folk\nSnow\n===\n\n===\nsun")
    corpus = read_corpus(tmp_path)
    assert [song.text for song in corpus] == ["Rain", "Sun", "...", "Snow"]
    assert (corpus.duplicates, corpus.genres) == (2, ("folk", "pop"))


@given(st.text(st.sampled_from("aÉß1²_-'’[] \n\u0345\ud800İ") | st.characters()))
def test_songs_are_copies_when_their_letters_and_figures_are_the_same(text: str) -> None:
    sung = "\n".join(line for line in text.split("\n") if not is_heading(line))
    words = re.sub(r"[\W_]+", " ", (sung or text).casefold()).strip()
    assert same_words_key(text) == words


def test_a_large_corpus_is_the_same_as_a_small_one_but_keeps_no_song(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [Song(f"t{i}", f"g{i % 7}", f"Kept or not, {i}") for i in range(300)]
    write_songs(songs, tmp_path / "a.txt")
    small = read_corpus(tmp_path)
    parts = [list(small.part(name)) for name in get_args(Part)]
    monkeypatch.setattr(corpus_module, "SMALL_CORPUS", 0)
    large = read_corpus(tmp_path)
    assert list(large) == list(large) == list(small) == songs
    assert [list(large.part(name)) for name in get_args(Part)] == parts
    assert (len(large), large.genres) == (len(small), small.genres)
    assert large.characters == small.characters == sum(len(song.text) for song in songs)
    assert large[3:6] == tuple(songs[3:6])
    del small, parts, songs
    assert not [o for o in gc.get_objects() if isinstance(o, Song) and "Kept" in o.text]


def test_a_file_that_changes_after_it_was_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\n===\ntwo\n===\nthree")
    files = Corpus(SongFiles([path]))
    assert [song.text for song in files] == ["one", "two", "three"]
    write(path, "one\n===\ntwo\n===\nthree\n===\nfour")
    with pytest.raises(CorpusError, match=r"a\.txt has changed"):
        list(files)
    path.unlink()
    with pytest.raises(CorpusError, match="does not exist"):
        list(files.part("train"))


@pytest.mark.usefixtures("kept")
def test_progress_is_told_in_bytes_up_to_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK", 100)
    write(tmp_path / "a.txt", TWO_SONGS)
    write(tmp_path / "b.txt", "é\n" * 200)
    heard: list[tuple[int, int]] = []
    read_corpus(tmp_path, progress=lambda done, total: heard.append((done, total)))
    total = len(TWO_SONGS.encode()) + 600
    assert [heard[0], heard[-1]] == [(100, total), (total, total)]
    assert heard == sorted(heard)


def test_a_corpus_is_told_by_its_fingerprint_wherever_its_songs_come_from(tmp_path: Path) -> None:
    songs = [Song("a", None, "one"), Song(None, "b", "two")]
    write_songs(songs, tmp_path / "a.txt")
    prints = {Corpus(songs).fingerprint, read_corpus(tmp_path).fingerprint}
    assert len(prints) == 1
    changed = [songs[0], Song(None, "b", "Two")]
    for other in (songs[::-1], songs[:1], [Song(None, "a", "one"), songs[1]], changed):
        prints.add(Corpus(other).fingerprint)
    assert len(prints) == 5


@pytest.mark.usefixtures("kept")
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


def test_validation_takes_the_first_songs_and_then_those_that_still_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = [
        i for i in range(400) if split(Song(None, None, f"{i} " + "la " * i)) == "validation"
    ]
    songs = [Song(None, None, f"{i} " + "la " * i) for i in numbers]
    lengths = [len(song.text) for song in songs]
    monkeypatch.setattr(corpus_module, "VALIDATION_CHARACTERS", sum(lengths[:4]))
    assert validation_songs(Corpus(songs)) == songs[:4]
    assert validation_songs(Corpus([songs[9], *songs])) == [songs[9]]
    monkeypatch.setattr(corpus_module, "VALIDATION_CHARACTERS", lengths[2] + lengths[0])
    assert validation_songs(Corpus(songs[2::-1])) == [songs[2], songs[0]]
    without_any = [Song(None, None, "Song 29")]
    assert validation_songs(Corpus(without_any)) == without_any


@pytest.mark.usefixtures("kept")
def test_a_vocabulary_is_learned_from_songs_spread_over_a_large_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_songs([Song(f"T{i}", "g", f"Song {i:04}") for i in range(1000)], tmp_path / "a.txt")
    corpus = read_corpus(tmp_path)
    assert list(vocabulary_texts(corpus))[:4] == ["Song 0000", "T0", "g", "Song 0001"]
    assert len(list(vocabulary_texts(corpus))) == 3000
    monkeypatch.setattr(corpus_module, "VOCABULARY_CHARACTERS", 90)
    sample = list(vocabulary_texts(corpus))[::3]
    assert sample == [f"Song {i:04}" for i in range(0, 1000, 100)]


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


@settings(max_examples=25)
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
    assert list(read_corpus(path)) == songs
