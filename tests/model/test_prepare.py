"""From raw verse to a corpus of songs: forms, cleaning, what is kept and why the rest is not."""

import gzip
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from model.cli import main
from model.corpus import Song, read_corpus, write_songs
from model.errors import CorpusError
from model.near_copies import SeenText
from model.prepare import PrepareReport, prepare
from model.raw_verse import book_text, clean_line, without_stop
from model.stanzas import rhyme_partners, rhyming_spans, stanza_breaks, whole_stanzas

POEM = """The rain is falling on the town,
The lights are low, the roofs are wet;
A single bus goes up and down,
And no one has come home as yet.
The driver hums a little tune,
The wipers keep a kind of time;
Above the bridge there hangs a moon
As yellow as a slice of lime.
He stops where nobody will ride,
He waits as if for one he knew;
The doors swing open on the side,
And in there comes a gust of blue.""".splitlines()
PROSE = """The author of these verses was born in the year 1802 at a small place in the north, and
lived there with his mother until he was sent to school; he wrote the greater part of them while
he was a clerk in the office of a merchant whose name has not come down to us.""".splitlines()
OTHER_POEM = """The wind came over the hill last night,
It shook the door, it shook the tree;
It blew the candle out of sight,
And whistled through the house to me.
I let it in, I let it play,
It turned the pages on the floor;
And when it went, at break of day,
The house was stiller than before.""".splitlines()


def poetry_file(path: Path, lines: list[str], **extra: object) -> Path:
    data = "".join(json.dumps({"s": line, **extra}) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def prepared(
    out: Path, *sources: Path, leave_out: Sequence[Path] = ()
) -> tuple[list[Song], PrepareReport]:
    report = prepare(sources, out, leave_out=leave_out, console=Console(file=io.StringIO()))
    return list(read_corpus(out)), report


def text_file(path: Path, *parts: list[str]) -> Path:
    path.write_text("\n\n\n\n".join("\n".join(part) for part in parts), "utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.txt"


@pytest.mark.parametrize("name", ["poetry.ndjson", "poetry.ndjson.gz"])
def test_verse_is_told_from_prose_and_gets_its_stanzas_back(
    tmp_path: Path, out: Path, name: str
) -> None:
    songs, report = prepared(out, poetry_file(tmp_path / name, [*PROSE, *POEM, *PROSE]))
    assert len(songs) == 1
    assert [len(stanza) for stanza in songs[0].stanzas] == [4, 4, 4]
    assert songs[0].lines[:2] == [
        "The rain is falling on the town",
        "The lights are low, the roofs are wet",
    ]
    assert (songs[0].title, songs[0].genre) == (None, None)
    assert (report.passages, report.lines, report.rhyme_rate) == (1, 12, 1.0)
    assert report.dropped.total() == 6


def test_another_book_is_another_poem(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "poetry.ndjson"
    lines = [{"s": s, "gid": "1"} for s in OTHER_POEM] + [{"s": s, "gid": "2"} for s in POEM]
    source.write_text("\n".join(map(json.dumps, lines)))
    songs, _ = prepared(out, source)
    assert [len(song.lines) for song in songs] == [8, 12]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_gutenberg_book_keeps_its_stanzas_and_loses_licence_and_title(
    tmp_path: Path, out: Path, encoding: str
) -> None:
    stanzas = "\r\n\r\n".join(
        "\r\n".join("    " + line for line in POEM[i : i + 6]) for i in (0, 6)
    ).replace("no one", "no ami\u00e9")
    license_lines = "\r\n".join(OTHER_POEM)
    book = (
        f"Produced by people.\r\n{license_lines}\r\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK SONGS ***\r\n\r\n\r\n"
        f"The last of buses\r\n\r\n{stanzas}\r\n\r\n\r\n"
        f"*** END OF THE PROJECT GUTENBERG EBOOK SONGS ***\r\n{license_lines}\r\n"
    )
    source = tmp_path / "book.txt"
    source.write_bytes(book.encode(encoding))
    songs, _ = prepared(out, source)
    assert len(songs) == 1
    assert [len(stanza) for stanza in songs[0].stanzas] == [6, 6]
    assert songs[0].lines[3] == "And no amie has come home as yet"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "***START OF THE PROJECT GUTENBERG EBOOK SONGS\nOF THE PEOPLE***",
            "***END OF THE PROJECT GUTENBERG EBOOK SONGS***",
        ),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*", "End of Project Gutenberg's Songs"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK SONGS ***", ""),
        (None, "End of the Project Gutenberg EBook of Songs"),
    ],
)
def test_the_licence_is_cut_off_in_all_its_forms(
    tmp_path: Path, before: str | None, after: str
) -> None:
    head = "" if before is None else f"Licence.\n{before}\n"
    tail = f"{after}\nLicence.\n" if after else ""
    source = tmp_path / "book.txt"
    source.write_text(f"{head}\nA song\n\n{tail}", "utf-8")
    assert book_text(source).split() == ["A", "song"]


def test_notes_prose_and_page_numbers_in_a_book_are_not_sung(tmp_path: Path, out: Path) -> None:
    source = text_file(
        tmp_path / "book.txt",
        PROSE,
        [*POEM[:2], "[Pg 12]", *POEM[2:4], "", *POEM[4:8], "", *POEM[8:]],
        ["[Footnote 1: This is what they call the bus", "in the north of the country.]"],
        ["[Illustration: THE BUS]", "", "{12}", "", "*   *   *   *"],
    )
    songs, report = prepared(out, source)
    assert [[len(stanza) for stanza in song.stanzas] for song in songs] == [[4, 4, 4]]
    assert report.dropped == {
        "not verse: prose, headings, notes, markup, very long or short lines": 9
    }


def test_a_printed_stanza_is_kept_whole_though_its_first_lines_do_not_rhyme(
    tmp_path: Path, out: Path
) -> None:
    stanza = ["The morning brings an orange", "And then it brings the month", *OTHER_POEM[:2]]
    lines = [*stanza, *OTHER_POEM[2:4], "", *OTHER_POEM[4:], "", *POEM[:4]]
    songs, _ = prepared(out, text_file(tmp_path / "book.txt", lines))
    assert [len(stanza) for stanza in songs[0].stanzas] == [6, 4, 4]
    assert songs[0].lines[0] == "The morning brings an orange"


def test_spans_grow_to_printed_stanzas_only_where_little_is_missing() -> None:
    assert list(whole_stanzas([(2, 9), (30, 40)], [4, 10, 20, 44], 50)) == [(0, 10), (30, 40)]
    assert list(whole_stanzas([(2, 9), (11, 20)], [4, 12], 20)) == [(0, 20)]
    assert list(whole_stanzas([(2, 9)], [], 10)) == [(2, 9)]


def test_songs_in_the_corpus_format_stay_as_they_are(tmp_path: Path, out: Path) -> None:
    songs = [
        Song("Bus", "folk", "[Verse 1]\nno rhyme here, at all;\n\n[Chorus]\nla"),
        Song("Slur", "folk", "a line with a wetback in it"),
        Song("Copy", "folk", "No rhyme here at all\nLA!"),
        Song("Damn", "punk", "damn this"),
    ]
    write_songs(songs, tmp_path / "mine.txt")
    kept, report = prepared(out, tmp_path / "mine.txt")
    assert kept == [songs[0], songs[3]]
    assert sorted(report.dropped.values()) == [1, 2]


def test_songs_in_the_corpus_format_get_plain_quotes_and_no_dashes(
    tmp_path: Path, out: Path
) -> None:
    text = "[Verse 1]\nI said \u2018wait\u2019\u2014and you said \u201cno\u201d\u2026"
    text += "\nÆgir \u2013 come\u2014"
    write_songs([Song("\u201cNo\u201d", None, text)], tmp_path / "mine.txt")
    kept, _ = prepared(out, tmp_path / "mine.txt")
    assert kept[0].text == "[Verse 1]\nI said 'wait', and you said \"no\"...\nÆgir, come,"


def test_a_folder_is_read_with_all_its_forms_and_each_file_once(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "b.txt").write_text("\n".join(POEM))
    poetry = poetry_file(folder / "a.ndjson", OTHER_POEM)
    songs, report = prepared(out, folder, poetry)
    assert [len(song.lines) for song in songs] == [8, 12]
    assert report.dropped.total() == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("single", "coon", "slurs"),
        ("The", "Thou", "archaic"),
        ("the", "swevene", "today's English"),
        (" the ", " Nelly ", "names"),
        (" a ", " o' ", "dialect"),
    ],
)
def test_a_passage_is_dropped_for_its_words(
    tmp_path: Path, out: Path, old: str, new: str, reason: str
) -> None:
    spoilt = [line.replace(old, new) for line in POEM]
    _, report = prepared(out, poetry_file(tmp_path / "a.ndjson", [*spoilt, "1802", *OTHER_POEM]))
    assert report.passages == 1
    assert [name for name, lines in report.dropped.items() if lines == 12 and reason in name]


def test_lines_that_do_not_rhyme_and_near_copies_are_dropped(tmp_path: Path, out: Path) -> None:
    unrhymed = [line.rstrip(",;.") + " and so" for line in POEM]
    copy = [*POEM[:11], "And then there comes a gust of blue!"]
    lines = [*POEM, "1", *unrhymed, "2", *copy]
    songs, report = prepared(out, poetry_file(tmp_path / "a.ndjson", lines))
    assert len(songs) == 1
    assert report.dropped["do not rhyme"] == 12
    assert report.dropped["near-copies of earlier passages"] == 12


@pytest.mark.parametrize("name", ["left.txt", "left.ndjson.gz"])
def test_what_is_left_out_is_not_kept_in_any_other_form_either(
    tmp_path: Path, out: Path, name: str
) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    if name.endswith(".txt"):
        text_file(folder / name, PROSE, POEM)
    else:
        poetry_file(folder / name, [*PROSE, *POEM])
    changed = [line.upper() if i == 1 else f"  {line} [{i}]" for i, line in enumerate(POEM)]
    other_cut = [*POEM[4:], *OTHER_POEM]
    source = poetry_file(tmp_path / "a.ndjson", [*changed[:1], *POEM[1:], "1", *other_cut])
    songs, report = prepared(
        out, source, text_file(tmp_path / "b.txt", OTHER_POEM), leave_out=[folder]
    )
    assert [song.lines[0] for song in songs] == ["The wind came over the hill last night"]
    assert report.dropped["near-copies of what is to be left out"] == 12 + 16


def test_the_command_takes_what_to_leave_out(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = text_file(tmp_path / "a.txt", POEM, OTHER_POEM)
    left = text_file(tmp_path / "left.txt", POEM)
    arguments = ["prepare", str(source), "--leave-out", str(left), "--out", str(out)]
    assert main(arguments) == 0
    assert [len(song.lines) for song in read_corpus(out)] == [8]
    assert "left out" in capsys.readouterr().err
    assert main([*arguments, "--leave-out", str(tmp_path / "nowhere")]) == 2


def test_a_passage_that_is_mostly_an_earlier_one_is_told_however_it_is_cut() -> None:
    poem, other = (" ".join(lines).lower().split() for lines in (POEM, OTHER_POEM))
    seen = SeenText()
    assert seen.share(poem) == 0.0
    seen.add(poem)
    assert seen.share(poem) == seen.share(poem[20:60]) == 1.0
    assert seen.share(other) == 0.0
    assert 0.4 < seen.share([*poem[:45], *other[:40]]) < 0.6
    assert seen.share(["no"]) == 0.0


def test_a_long_poem_is_cut_between_stanzas(tmp_path: Path, out: Path) -> None:
    numbers = ("One", "Two", "Three", "Four", "Five", "Six", "Ten")
    lines = [f"{number} {line[0].lower()}{line[1:]}" for number in numbers for line in POEM]
    songs, report = prepared(out, poetry_file(tmp_path / "a.ndjson", lines))
    assert report.lines == 7 * 12
    assert len(songs) > 1
    assert all(8 <= len(song.lines) <= 44 for song in songs)
    assert {len(stanza) for song in songs for stanza in song.stanzas} == {4}


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, out: Path) -> None:
    source = poetry_file(tmp_path / "a.ndjson.gz", [*POEM, *PROSE, *OTHER_POEM])
    prepared(out, source)
    first = out.read_bytes()
    prepared(out, source)
    assert out.read_bytes() == first


def test_the_table_says_what_was_kept_and_why_the_rest_was_not(tmp_path: Path, out: Path) -> None:
    _, report = prepared(out, poetry_file(tmp_path / "a.ndjson", [*POEM, *PROSE]))
    screen = io.StringIO()
    Console(file=screen, width=120).print(report.table())
    assert "kept" in screen.getvalue()
    assert "not verse" in screen.getvalue()
    assert "80.0%" in screen.getvalue()


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  “Take up the table,” he said;—", '"Take up the table," he said'),
        ("‘Take up the table,’ he said.", '"Take up the table," he said'),
        ('He said--"come,"--and went--', 'He said, "come," and went'),
        (
            "O'er hill she turn'd and wander'd, _ever_ on [12]",
            "Over hill she turned and wandered, ever on",
        ),
        ("That dream is o'er;", "That dream is o'er"),
        ("'Twas ev'ry night; 't is done", "It was every night, it's done"),
        ("Tho' th' exulting foe to-morrow comes", "Though the exulting foe tomorrow comes"),
        ("2 [With gust their heart approves", "With gust their heart approves"),
        ("All that the world relates;]", "All that the world relates"),
        ("SHERIDAN'S coming, and I'LL go", "Sheridan's coming, and I'll go"),
        ("THE sun was sinking    45", "The sun was sinking"),
        ("And blessèd be the day…", "And blessed be the day"),
        ("Rock 'n' roll, get 'em, I'd go", "Rock 'n' roll, get 'em, I'd go"),
        ("Will you come back?", "Will you come back?"),
    ],
)
def test_a_line_is_written_as_songs_write_it(raw: str, clean: str) -> None:
    line = clean_line(raw)
    assert line is not None
    assert without_stop(line) == clean


@pytest.mark.parametrize(
    "raw",
    [
        "which was the custom in those days",
        "TO A SKYLARK",
        "The Song of the Shirt",
        "IV. The House",
        "In 1802 he went to sea",
        "title: A Song",
        "She is not dead, but sleeps. Luke viii.",
        "[Footnote 3: The man who wrote this",
        "[Aside.]",
        "Μῆνιν ἄειδε θεά",
        "A line so long that no one in the world could ever sing it in a breath",
    ],
)
def test_what_is_no_line_of_verse_is_told(raw: str) -> None:
    assert clean_line(raw) is None


@pytest.mark.parametrize(
    ("ends", "lengths"),
    [
        ("town rain down train moon day June play", [4, 4]),
        ("town down rain train bell well moon soon", [4, 4]),
        ("town rain bell down train well day moon tree play June sea", [6, 6]),
    ],
)
def test_stanzas_keep_their_rhymes_together(ends: str, lengths: list[int]) -> None:
    lines = [f"Something, something {end}." for end in ends.split()]
    starts = [*stanza_breaks(lines, rhyme_partners(lines)), len(lines)]
    found = [end - start for start, end in pairwise(starts)]
    assert found == lengths


def test_a_rhyming_span_begins_and_ends_with_its_rhymes() -> None:
    ends = ["one", "tea", "town", "down", "rain", "train", "moon", "June", "day", "play", "life"]
    partners = rhyme_partners([f"Something {end}" for end in [*ends, "off", "out", "in", "an"]])
    assert list(rhyming_spans(partners)) == [(2, 10)]


def test_wrong_sources_are_refused_in_words(tmp_path: Path, out: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    bad.write_text('{"s": "fine"}\n\n{"s": 3}\n')
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(gzip.compress(b'{"s": "fine"}\n' * 1000)[:-20])
    picture = tmp_path / "picture.txt"
    picture.write_bytes(b"GIF\x00\x01")
    for source, words in (
        (tmp_path / "nowhere.ndjson", "does not exist"),
        (bad, r"bad\.ndjson, line 3: "),
        (cut, "damaged or cut off"),
        (picture, "not a text file"),
        (poetry_file(tmp_path / "prose.ndjson", PROSE), "no passage that rhymes like a song"),
    ):
        with pytest.raises(CorpusError, match=words):
            prepare([source], out, console=Console(file=io.StringIO()))
        assert not out.exists()
