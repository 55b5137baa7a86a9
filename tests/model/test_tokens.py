"""Token files and streams: what is read piece by piece is what memory would have held."""

import json
import resource
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from model import encoding
from model import tokens as tokens_module
from model.corpus import Corpus, Song, SongFiles, write_songs
from model.encoding import Numbers
from model.errors import CorpusError, ModelError
from model.frame import frame_song
from model.network import Ids
from model.tokenizer import BytePairTokenizer, CharacterTokenizer, Tokenizer
from model.tokens import (
    KEEP_GENRE,
    KEEP_HEADING,
    KEEP_TITLE,
    PlainStream,
    SongStream,
    TokenFile,
    TokenStream,
    open_tokens,
    remove_tokens,
    training_tokens,
    write_tokens,
)

SONGS = [
    Song(
        f"Song {i}" if i % 3 else None,
        ("pop", "rap", None)[i % 3],
        "[Verse 1]\n" * (i % 2) + f"Rain number {i}\n" + "on the road é\n" * (i * i % 23) + "end",
    )
    for i in range(60)
]
TEXTS = [song.text for song in SONGS]
CHARACTERS = CharacterTokenizer.train(TEXTS[:20])  # knows no "S", "g", "p"
PAIRS = BytePairTokenizer.train(TEXTS, 300)


class Words(Tokenizer):
    """More ids than 16 bits hold."""

    kind = "words"
    vocabulary_size = 70_000

    def encode(self, text: str) -> list[int]:
        return [60_000 + len(word) * 1000 for word in text.split()]

    def decode(self, ids: object) -> str:
        raise NotImplementedError

    def to_json(self) -> str:
        return "{}"


def ids_of(file: TokenFile) -> list[int]:
    """All of a file's ids."""
    return list(file.read(np.array([0]), np.array([file.tokens])).tolist())


def epoch_in_memory(tokenizer: Tokenizer, seed: int, epoch: int) -> Ids:
    """An epoch's ids, put together song by song."""
    framed = [frame_song(tokenizer, song) for song in Corpus(SONGS).part("train")]
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(framed))
    keep = rng.random((len(order), 3)) < (KEEP_GENRE, KEEP_TITLE, KEEP_HEADING)
    ids: list[int] = []
    for i, (genre, title, heading) in zip(order, keep.tolist(), strict=True):
        ids += framed[i].ids(genre=genre, title=title, heading=heading)
    return np.array(ids)


def segments_in_memory(ids: Ids, batch: int, steps: int) -> Iterator[tuple[Ids, Ids]]:
    rows = (len(ids) - 1) // batch
    inputs = ids[: rows * batch].reshape(batch, rows).T
    targets = ids[1 : rows * batch + 1].reshape(batch, rows).T
    for start in range(0, rows, steps):
        yield inputs[start : start + steps], targets[start : start + steps]


def assert_same_segments(
    stream: TokenStream, ids: Ids, epoch: int, batch: int, steps: int, first: int
) -> None:
    expected = list(islice(segments_in_memory(ids, batch, steps), first, None))
    found = list(stream.segments(epoch, batch, steps, first))
    assert len(found) == len(expected)
    for pair, expected_pair in zip(found, expected, strict=True):
        for array, expected_array in zip(pair, expected_pair, strict=True):
            assert array.dtype == np.int32
            np.testing.assert_array_equal(array, expected_array)


@pytest.mark.parametrize("tokenizer", [CHARACTERS, PAIRS, Words()], ids=lambda t: t.kind)
@pytest.mark.parametrize("ahead", [1, 700, 2**16])
def test_songs_read_from_a_file_are_those_that_memory_would_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: Tokenizer, ahead: int
) -> None:
    monkeypatch.setattr(tokens_module, "READ_AHEAD", ahead)
    monkeypatch.setattr(tokens_module, "SONGS_AT_ONCE", 7)
    monkeypatch.setattr(encoding, "ENCODED_AT_ONCE", 500)
    file = training_tokens(Corpus(SONGS), tokenizer, tmp_path)
    for seed in (1, 7):
        stream = SongStream(file, seed)
        for epoch, batch, steps, first in (
            (0, 1, 32, 0),
            (0, 4, 16, 3),
            (3, 5, 100, 0),
            (0, 64, 8, 1),
            (5, 2, 31, 2),
            (5, 2, 31, 10_000),
            (1, 100_000, 8, 0),
        ):
            ids = epoch_in_memory(tokenizer, seed, epoch)
            assert stream.length(epoch) == len(ids)
            assert_same_segments(stream, ids, epoch, batch, steps, first)
        assert stream.tokens == len(epoch_in_memory(tokenizer, seed, 0))


def test_two_epochs_can_be_read_side_by_side(tmp_path: Path) -> None:
    stream = SongStream(training_tokens(Corpus(SONGS), PAIRS, tmp_path), 1)
    first, second = stream.segments(0, 4, 16), stream.segments(1, 4, 16)
    for epoch, (inputs, _) in ((0, next(first)), (1, next(second)), (0, next(first))):
        ids = epoch_in_memory(PAIRS, 1, epoch)
        assert any(
            np.array_equal(inputs, expected) for expected, _ in segments_in_memory(ids, 4, 16)
        )


def test_ids_stay_in_the_file_and_take_as_few_bytes_as_the_vocabulary_allows(
    tmp_path: Path,
) -> None:
    for tokenizer, kind in ((CHARACTERS, np.uint8), (PAIRS, np.uint16), (Words(), np.uint32)):
        file = training_tokens(Corpus(SONGS), tokenizer, tmp_path)
        assert isinstance(file.index, np.memmap)
        assert file.kind == kind
        assert file.tokens * file.kind.itemsize == (tmp_path / "tokens.bin").stat().st_size
        held = [value for value in vars(file).values() if isinstance(value, np.ndarray)]
        assert len(held) == 1
        assert held[0] is file.index


def test_little_more_is_read_at_once_than_a_segment_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "READ_AHEAD", 64)
    songs = [Song("t", "g", f"{i} " + "la " * 3000) for i in range(40)]
    file = training_tokens(Corpus(songs), CHARACTERS, tmp_path)
    read: list[int] = []
    whole = TokenFile.read

    def counted(self: TokenFile, begins: Numbers, counts: Numbers) -> np.ndarray:
        read.append(int(counts.sum()))
        return whole(self, begins, counts)

    monkeypatch.setattr(TokenFile, "read", counted)
    for _ in islice(SongStream(file, 1).segments(0, 4, 16), 100):
        pass
    assert sum(read) >= 99 * 4 * 17
    assert max(read) < 4 * (16 + 10)


def test_a_token_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    stream = SongStream(training_tokens(Corpus(SONGS), PAIRS, tmp_path), 1)
    training_tokens(Corpus(SONGS[:50]), PAIRS, tmp_path)
    with pytest.raises(ModelError, match=r"tokens\.bin has changed"):
        next(stream.segments(0, 4, 16))
    remove_tokens(tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        next(stream.segments(0, 4, 16))


def test_songs_are_encoded_straight_from_their_files(tmp_path: Path) -> None:
    write_songs(SONGS, tmp_path / "songs.txt")
    corpus = Corpus(SongFiles([tmp_path / "songs.txt"]))
    heard: list[tuple[int, int]] = []
    file = training_tokens(
        corpus, PAIRS, tmp_path / "a", lambda done, total: heard.append((done, total))
    )
    same = training_tokens(Corpus(SONGS), PAIRS, tmp_path / "b")
    assert ids_of(file) == ids_of(same)
    np.testing.assert_array_equal(file.index, same.index)
    assert heard[-1] == (len(corpus.part("train")), len(corpus.part("train")))


def test_a_corpus_without_training_songs_is_learned_whole(tmp_path: Path) -> None:
    held_out = Corpus(
        [song for name in ("test", "validation") for song in Corpus(SONGS).part(name)]
    )
    assert len(training_tokens(held_out, PAIRS, tmp_path).index) == len(held_out) > 0


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often songs have been encoded."""
    calls: list[int] = []

    def counted(*arguments: object) -> object:
        calls.append(1)
        return write_tokens(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tokens_module, "write_tokens", counted)
    return calls


def test_tokens_are_written_once_and_found_again(tmp_path: Path, encoded: list[int]) -> None:
    first = training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    second = training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    assert ids_of(first) == ids_of(second)
    assert len(encoded) == 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["tokens.bin", "tokens.index", "tokens.json"]
    remove_tokens(tmp_path)
    assert list(tmp_path.iterdir()) == []


def cut(folder: Path) -> None:
    with (folder / "tokens.bin").open("r+b") as file:
        file.truncate(100)


def lose(folder: Path) -> None:
    (folder / "tokens.index").unlink()


def spoil(folder: Path) -> None:
    (folder / "tokens.json").write_text("{")


def forget(folder: Path) -> None:
    about = json.loads((folder / "tokens.json").read_text())
    del about["type"]
    (folder / "tokens.json").write_text(json.dumps(about))


@pytest.mark.parametrize("damage", [cut, lose, spoil, forget])
def test_damaged_tokens_are_written_anew(
    tmp_path: Path, encoded: list[int], damage: Callable[[Path], None]
) -> None:
    training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    damage(tmp_path)
    file = training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    assert len(encoded) == 2
    assert file.tokens == json.loads((tmp_path / "tokens.json").read_text())["tokens"]


def test_tokens_of_other_songs_or_another_vocabulary_are_written_anew(
    tmp_path: Path, encoded: list[int]
) -> None:
    training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    training_tokens(Corpus(SONGS), CHARACTERS, tmp_path)
    renamed = [Song("Another title", song.genre, song.text) for song in SONGS]
    training_tokens(Corpus(renamed), CHARACTERS, tmp_path)
    assert len(encoded) == 3
    assert open_tokens(tmp_path, "anything else") is None


def test_a_full_disk_is_told_in_words_and_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(ModelError, match=r"tokens\.bin cannot be written: "):
            training_tokens(Corpus(SONGS), PAIRS, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_and_a_corpus_without_songs_are_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        training_tokens(Corpus(SONGS), PAIRS, tmp_path / "file")
    with pytest.raises(CorpusError, match="no songs"):
        training_tokens(Corpus([]), PAIRS, tmp_path)


def test_a_plain_text_begins_elsewhere_each_epoch_and_wraps_round() -> None:
    ids = np.arange(1000, dtype=np.uint16)
    stream = PlainStream(ids, random_seed=3)
    assert stream.tokens == stream.length(0) == stream.length(9) == 1000
    begins = set()
    for epoch, batch, steps, first in ((0, 3, 10, 0), (1, 1, 64, 2), (2, 64, 8, 0), (1, 7, 5, 1)):
        begin = int(next(stream.segments(epoch, 1, 1))[0][0, 0])
        begins.add(begin)
        assert_same_segments(stream, np.roll(ids, -begin), epoch, batch, steps, first)
    assert len(begins) == 3
    other = PlainStream(ids, random_seed=4)
    assert int(next(other.segments(0, 1, 1))[0][0, 0]) not in begins
