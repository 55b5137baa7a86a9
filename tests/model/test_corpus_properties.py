"""Reading and writing songs, whatever is in the file: the same text again, or words of refusal."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.corpus import Song, read_corpus, write_songs
from model.errors import CorpusError, ModelError

# What the format gives a meaning, and what has gone wrong in others' readers.
FRAGMENTS = [
    *("===", "\n===\n", " === ", "====", "title:", "\ntitle: Home\n", "genre: Rap\n", "Title :"),
    *("[Verse 1]\n", "[", "]", ":", " ", "\t", "\n", "\n\n\n", "\r", "\r\n", "\v", "\f", "\x85"),
    *(
        "\x00",
        "\x1c",
        "\u2028",
        "\ufeff",
        "\u200d",
        "\u200f",
        "e\u0301",
        "İ",
        "ß",
        "👩‍🚀",
        "\ufffd",
    ),
    *("rain ", "on the road\n", "a\n" * 45, "line\n\n" * 50),
]
texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=12).map("".join)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7"])
files = st.one_of(
    st.binary(),
    texts.map(str.encode),
    st.builds(str.encode, texts, encodings),
    st.lists(texts.map(str.encode) | st.binary(max_size=4), max_size=6).map(b"".join),
)
any_text = texts | st.text(st.characters(), max_size=20)  # half of a surrogate pair among it
any_song = st.builds(Song, st.none() | any_text, st.none() | any_text, any_text)
# Songs as reading gives them: one line or two of words in each header and stanza.
words = st.text(st.characters(categories=["Lu", "Ll", "Lo"], codec="ascii"), min_size=1)
headers = st.none() | words
tidy_song = st.builds(Song, headers, headers.map(lambda g: g and g.lower()), words)

on_files = settings(max_examples=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("songs")


def songs_of(path: Path) -> list[Song] | None:
    """The songs of a file; None where it is refused, which must be in one plain sentence."""
    try:
        return list(read_corpus(path))
    except ModelError as refusal:
        assert_one_sentence(refusal, naming=path)
        return None


def assert_one_sentence(refusal: ModelError, naming: Path | str = "") -> None:
    assert isinstance(refusal, CorpusError)
    assert str(naming) in str(refusal)
    assert str(refusal).isprintable()
    assert str(refusal).endswith((".", "?"))


@on_files
@given(files)
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb")
@example(b"rain\r\n\xed\xa0\x80")
@example("title: x\n\u2028\n".encode())
def test_any_bytes_are_songs_or_refused_in_words(folder: Path, data: bytes) -> None:
    path = folder / "any.txt"
    path.write_bytes(data)
    songs = songs_of(path)
    assert songs is None or songs
    for song in songs or ():
        assert song.text == song.text.strip("\n") != ""
        assert "\r" not in song.text
        assert "\n\n\n" not in song.text
        assert all(header is None or header.strip() for header in (song.title, song.genre))
        assert song.genre is None or song.genre == song.genre.lower()


@on_files
@given(files)
def test_what_was_read_is_read_the_same_again(folder: Path, data: bytes) -> None:
    path = folder / "again.txt"
    path.write_bytes(data)
    try:
        corpus = read_corpus(path)
    except CorpusError:
        return
    first = list(corpus)
    assert list(corpus) == first
    assert list(read_corpus(path)) == first
    parts = [list(corpus.part(name)) for name in ("train", "validation", "test")]
    assert Counter(song for part in parts for song in part) == Counter(first)


@on_files
@given(files)
def test_what_was_read_can_be_written_and_read_or_is_refused_in_words(
    folder: Path, data: bytes
) -> None:
    source, copy = folder / "source.txt", folder / "copy.txt"
    source.write_bytes(data)
    songs = songs_of(source)
    if songs is None:
        return
    try:
        write_songs(songs, copy)
    except CorpusError as refusal:
        assert_one_sentence(refusal)
        return
    assert songs_of(copy) == songs


@on_files
@given(any_song | tidy_song)
@example(Song(None, None, "\ud800"))
@example(Song("\ud83d\ude80", None, "rain"))
@example(Song("a", "İ", "rain"))
@example(Song(None, None, "\ufeff==="))
@example(Song(None, None, "===\u2028"))
def test_any_song_is_read_as_it_was_written_or_refused_in_words(folder: Path, song: Song) -> None:
    path = folder / "song.txt"
    path.unlink(missing_ok=True)
    try:
        write_songs([song], path)
    except CorpusError as refusal:
        assert_one_sentence(refusal)
        assert not path.exists()
        return
    assert songs_of(path) == [song]


def with_windows_line_ends(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def with_old_line_ends(text: str) -> bytes:
    return text.replace("\n", "\r").encode()


def with_a_byte_order_mark(text: str) -> bytes:
    return text.encode("utf-8-sig")


@pytest.mark.parametrize(
    "written", [with_windows_line_ends, with_old_line_ends, with_a_byte_order_mark]
)
@on_files
@given(text=texts)
def test_line_ends_and_the_mark_at_the_start_change_nothing(
    folder: Path, text: str, written: Callable[[str], bytes]
) -> None:
    text = text.replace("\r", "").removeprefix("\ufeff")
    plain, other = folder / "plain.txt", folder / "other.txt"
    plain.write_bytes(text.encode())
    other.write_bytes(written(text))
    assert songs_of(plain) == songs_of(other)


@on_files
@given(st.lists(texts, min_size=1, max_size=4))
def test_files_are_read_together_as_they_are_read_alone(folder: Path, contents: list[str]) -> None:
    paths = [folder / f"{number}.txt" for number in range(len(contents))]
    for path, text in zip(paths, contents, strict=True):
        path.write_bytes(text.encode())
    alone = {path: songs_of(path) for path in paths}
    try:
        together = read_corpus(*paths)
    except CorpusError:
        assert None in alone.values()
        return
    found = [song for songs in alone.values() for song in songs or ()]
    assert len(list(together)) + together.duplicates >= len(found)
    assert set(together) <= set(found)
