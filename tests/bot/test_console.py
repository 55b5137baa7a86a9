"""The console reads what people type, answers every line in words, and goes on."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from bot.__main__ import main
from bot.commands import COMMANDS, LYRICS
from bot.console import Console, answer_lines, parse, plain, show
from bot.errors import CommandError, OutputLost
from bot.prompt import CommandCompleter, converse
from bot.service import WriterService
from model import MAX_LINES, SEED_CHARACTERS, Wish
from tests.bot.fakes import PATIENCE, FakeModel, open_fake_service

CTRL_C, CTRL_D, UP_ARROW, ENTER = "\x03", "\x04", "\x1b[A", "\r"


LYRIC_OPTIONS = [f"{option.name}: " for option in LYRICS.options]


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def service(tmp_path: Path, model: FakeModel) -> AsyncIterator[WriterService]:
    async with open_fake_service(tmp_path / "songs.db", model) as service:
        yield service


@pytest.fixture
def console(service: WriterService) -> Console:
    return Console(service)


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    """What a person types at a terminal that shows nothing."""
    with create_pipe_input() as keyboard, create_app_session(keyboard, DummyOutput()):
        yield keyboard


async def lines_of(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


# What a typed line means


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("/lyrics", {}),
        ("/lyrics seed: rain on the road", {"seed": "rain on the road"}),
        (
            "/lyrics seed: rain on the road genre: country lines: 12",
            {"seed": "rain on the road", "genre": "country", "lines": 12},
        ),
        ("/lyrics lines: 5 seed: rain", {"lines": 5, "seed": "rain"}),
        ("/lyrics seed: note: this is it", {"seed": "note: this is it"}),
        ("/lyrics seed: no:genre:here", {"seed": "no:genre:here"}),
        ("/lyrics seed: a subtitle: b title: c", {"seed": "a subtitle: b", "title": "c"}),
        ("/lyrics seed:rain genre:rap", {"seed": "rain", "genre": "rap"}),
        ("/lyrics Seed: Rain GENRE: Rap", {"seed": "Rain", "genre": "Rap"}),
        ("/lyrics seed: genre: rap", {"seed": "", "genre": "rap"}),
        ("  /LYRICS\tseed:  rain  \n", {"seed": "rain"}),
        ("/lyrics temperature: 0.9 best_of: 2", {"temperature": 0.9, "best_of": 2}),
        ("/lyrics section_lines: 2 lines: 8", {"section_lines": 2, "lines": 8}),
        ("/lyrics code: k3f9-2m7c", {"code": "k3f9-2m7c"}),
        ("/filter", {}),
        ("/filter off", {"switch": False}),
        ("/filter NO", {"switch": False}),
        ("/filter false", {"switch": False}),
        ("/filter on", {"switch": True}),
        ("/filter yes", {"switch": True}),
        ("/filter True", {"switch": True}),
        ("/rate last up", {"lyric": "last", "vote": "up"}),
        ("/rate 12 down", {"lyric": "12", "vote": "down"}),
        ("/help", {}),
        ("/help lyrics", {"command": "lyrics"}),
        ("/top", {}),
    ],
)
def test_a_line_is_read_as_it_is_meant(line: str, values: dict[str, Any]) -> None:
    command, given = parse(line)
    assert line.strip().lower().startswith(f"/{command.name}")
    assert given == values


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "begins with a slash"),
        ("rain on the road", "begins with a slash"),
        ("/", "/help lists"),
        ("/lyric seed: rain", r"Did you mean /lyrics\?"),
        ("/tpo", r"Did you mean /top\?"),
        ("/xyzzy", "/help lists"),
        ("/lyrics rain on the road", "options by name, for example /lyrics seed:"),
        ("/lyrics rain seed: snow", "options by name"),
        ("/lyrics seed: rain seed: snow", "seed is given twice"),
        ("/lyrics lines: many", "lines must be a whole number"),
        ("/lyrics lines:", "lines must be a whole number"),
        ("/lyrics lines: " + "9" * 10_000, "lines must be a whole number"),
        ("/lyrics temperature: hot", "temperature must be a number"),
        ("/lyrics temperature: 0,8", "temperature must be a number"),
        ("/filter perhaps", "switch must be on or off"),
        ("/top 10", "/top takes no options"),
        ("/rate", "/rate needs more, for example /rate last up"),
        ("/rate last", "/rate needs more"),
        ("/rate last up now", "too much for /rate"),
        ("/another", "/another needs more"),
    ],
)
def test_a_line_that_is_no_command_is_refused_with_a_way_to_write_it(line: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        parse(line)


# What it answers


async def test_a_lyric_opens_with_the_seed_and_is_shown_with_its_number(console: Console) -> None:
    answer = await console.answer("/lyrics seed: rain on the road genre: country lines: 5")
    assert answer is not None
    text, facts = answer.split("\n\n")
    assert text.splitlines()[0] == "rain on the road"
    assert len(text.splitlines()) == 5
    assert facts.startswith("#1 · country · fake-00c0ffee\n")
    assert "/rate 1 up" in facts


async def test_a_lyric_is_shown_with_its_code_its_longest_run_and_what_it_missed(
    console: Console, model: FakeModel
) -> None:
    model.longest_run, model.notes = 5, ("There was no place for lantern.",)
    answer = await console.answer("/lyrics lines: 4")
    assert answer is not None
    assert answer.split("\n\n")[1].splitlines()[1:-1] == [
        "Code fake-00c0ffee:1",
        "Longest run of words that stands in a song it learned: 5",
        "Not quite as asked: There was no place for lantern.",
    ]


async def test_a_longest_run_that_is_not_known_is_not_spoken_of(console: Console) -> None:
    answer = await console.answer("/lyrics")
    assert answer is not None
    assert "run of words" not in answer


async def test_a_code_writes_its_lyric_again(console: Console, model: FakeModel) -> None:
    first = await console.answer("/lyrics seed: rain lines: 5")
    again = await console.answer("/lyrics seed: not used code: fake-00c0ffee:1")
    assert first is not None
    assert again is not None
    assert again.split("\n\n")[0] == first.split("\n\n")[0]
    assert "#2 · " in again
    assert len(model.asked) == 1


async def test_the_word_filter_can_be_switched_and_asked_for(
    console: Console, model: FakeModel
) -> None:
    said = [await console.answer(line) for line in ("/filter", "/filter off", "/filter")]
    await console.answer("/lyrics")
    await console.answer("/filter on")
    await console.answer("/lyrics")
    assert [str(answer).split(" here")[0] for answer in said] == [
        "The word filter is on",
        "The word filter is off",
        "The word filter is off",
    ]
    assert [wish.word_filter for wish in model.asked] == [False, True]


async def test_a_lyric_without_a_seed_is_left_to_the_model(
    console: Console, model: FakeModel
) -> None:
    await console.answer("/lyrics")
    assert model.asked == [Wish()]


async def test_ratings_are_acknowledged_and_top_lists_them(console: Console) -> None:
    await console.answer("/lyrics seed: rain genre: rap")
    await console.answer("/lyrics seed: snow title: Winter")
    assert await console.answer("/rate last up") == "Rated #2: 1 up, 0 down."
    assert await console.answer("/rate #1 UP") == "Rated #1: 1 up, 0 down."
    assert await console.answer("/rate 1 down") == "Rated #1: 0 up, 1 down."
    assert await console.answer("/top") == (
        " 1. #2 · 1 up, 0 down · Winter\n 2. #1 · 0 up, 1 down · rain · rap"
    )


async def test_another_take_is_a_new_lyric_of_the_same_wish(
    console: Console, model: FakeModel
) -> None:
    await console.answer("/lyrics seed: rain lines: 5")
    answer = await console.answer("/another last")
    assert answer is not None
    assert "#2 · " in answer
    assert model.asked == [Wish("rain", lines=5)] * 2


async def test_an_empty_top_tells_how_to_fill_it(console: Console) -> None:
    answer = await console.answer("/top")
    assert answer is not None
    assert "/rate last up" in answer


async def test_about_tells_the_model_and_what_is_stored(console: Console) -> None:
    await console.answer("/lyrics")
    answer = await console.answer("/about")
    assert answer is not None
    for fact in ("fake-00c0ffee", "1,234", "country, rap", "lyrics: 1; ratings: 0"):
        assert fact in answer


async def test_help_lists_every_command_with_an_example(console: Console) -> None:
    answer = await console.answer("/help")
    assert answer is not None
    for command in COMMANDS:
        assert f"/{command.name} " in answer
        assert command.description in answer
        assert command.example in answer


@pytest.mark.parametrize("line", ["/help lyrics", "/help /lyrics"])
async def test_help_about_a_command_tells_its_options_ranges_and_defaults(
    console: Console, line: str
) -> None:
    answer = await console.answer(line)
    assert answer is not None
    for fact in (
        f"From 1 to {SEED_CHARACTERS} characters.",
        "One of country, rap.",
        f"From 4 to {MAX_LINES}. 16 if left out. Such as lines: 12",
        "From 0 to 2. 0.8 if left out. Such as temperature: 0.9",
        "One of AABB, ABAB, ABCB, AAAA, free. Such as rhyme: ABAB",
        "Such as structure: verse-chorus-verse-chorus",
        "Such as code: ",
        "For example: /lyrics",
    ):
        assert fact in answer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/lyrics seed: genre: rap", "seed is empty"),
        ("/lyrics seed: \u200b\u202e", "seed is empty"),
        ("/lyrics seed: " + "a" * 10_000, "seed is too long"),
        ("/lyrics genre: polka", "no such genre"),
        ("/lyrics genre:", "no such genre"),
        ("/lyrics lines: 1000", "Lines must be between"),
        ("/lyrics temperature: nan", "Temperature must be between 0 and 2"),
        ("/lyrics temperature: -inf", "Temperature must be between 0 and 2"),
        ("/lyrics top_p: 0", "Top-p must be above 0"),
        ("/lyrics rhyme: ABBA", "Rhyme can be"),
        ("/lyrics structure: verse-solo", "structure is made of"),
        ("/lyrics code:", "code"),
        ("/lyrics code: k3f9", "code"),
        ("/rate last up", "no lyric here yet"),
        ("/rate 99 up", "no lyric with that number"),
        (f"/rate {10**100} up", "no lyric with that number"),
        ("/rate first up", "by its number"),
        ("/rate last sideways", "up or down"),
        ("/another 99", "no lyric with that number"),
        ("/help lyric", r"Did you mean /lyrics\?"),
        ("hello", "begins with a slash"),
    ],
)
async def test_what_cannot_be_done_is_answered_in_one_line_of_words(
    console: Console, line: str, words: str
) -> None:
    answer = await console.answer(line)
    assert answer is not None
    assert re.search(words, answer)
    assert "\n" not in answer


async def test_an_error_nobody_foresaw_is_answered_with_an_id_that_is_in_the_log(
    console: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def top(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(WriterService, "top", top)
    answer = await console.answer("/top")
    assert answer is not None
    (error_id,) = re.findall("error ([0-9a-f]{8})", answer)
    assert error_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


# What reaches the terminal


def test_what_could_steer_a_terminal_is_taken_out() -> None:
    assert plain("red \x1b[31mtext\x07\nnext\tline\r\x9b2J") == "red [31mtext\nnext line2J"
    assert plain("\u202eabc\u200b\u2028é 🎵 日本") == "abcé 🎵 日本"


async def test_escape_sequences_that_people_typed_do_not_reach_the_terminal(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    await answer_lines(console, lines_of("/\x1b]0;owned\x07", "/lyrics genre: \x1b[2J"))
    assert "\x1b" not in capsys.readouterr().out


async def test_every_answer_is_followed_by_a_blank_line_and_empty_lines_have_none(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    await answer_lines(console, lines_of("/lyrics lines: 4", "", "  \n", "nonsense", "/rate 1 up"))
    out = capsys.readouterr().out
    assert out.endswith("\n\nRated #1: 1 up, 0 down.\n\n")
    assert "\n\n\n" not in out


async def test_quit_ends_the_input(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    await answer_lines(console, lines_of("/quit", "/top"))
    assert capsys.readouterr().out == ""


def test_a_lost_output_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class FullDisk(io.StringIO):
        def __init__(self, file: io.TextIOWrapper) -> None:
            super().__init__()
            self.fileno = file.fileno  # type: ignore[method-assign]

        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", FullDisk(file))
        with pytest.raises(OutputLost, match="No space left on device"):
            show("answer")


# At a terminal


async def test_typed_commands_are_answered_until_ctrl_d(
    console: Console,
    keyboard: PipeInput,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyboard.send_text(f"/lyrics lines: 4{ENTER}{ENTER}/rate last up{ENTER}{CTRL_D}")
    await converse(console, tmp_path / "history")
    assert "Rated #1: 1 up, 0 down." in capsys.readouterr().out


async def test_ctrl_c_clears_the_line_and_quit_leaves(
    console: Console, keyboard: PipeInput, tmp_path: Path, model: FakeModel
) -> None:
    keyboard.send_text(f"/lyrics{CTRL_C}/quit{ENTER}")
    await converse(console, tmp_path / "history")
    assert model.asked == []


async def test_ctrl_c_stops_the_lyric_that_is_being_written_and_nothing_else(
    console: Console,
    keyboard: PipeInput,
    tmp_path: Path,
    model: FakeModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model.endless = True
    keyboard.send_text(f"/lyrics{ENTER}/about{ENTER}{CTRL_D}")
    conversation = asyncio.create_task(converse(console, tmp_path / "history"))
    assert await asyncio.to_thread(model.begun.wait, PATIENCE)
    signal.raise_signal(signal.SIGINT)
    await conversation
    out = capsys.readouterr().out
    assert "Stopped." in out
    assert "Stored lyrics: 0" in out


async def test_history_outlives_the_session(
    console: Console, keyboard: PipeInput, tmp_path: Path, model: FakeModel
) -> None:
    keyboard.send_text(f"/lyrics seed: rain{ENTER}{CTRL_D}")
    await converse(console, tmp_path / "history")
    keyboard.send_text(f"{UP_ARROW}{ENTER}{CTRL_D}")
    await converse(console, tmp_path / "history")
    assert [wish.seed for wish in model.asked] == ["rain", "rain"]


async def test_a_history_that_cannot_be_written_does_not_matter(
    console: Console, keyboard: PipeInput, tmp_path: Path, model: FakeModel
) -> None:
    keyboard.send_text(f"/lyrics{ENTER}{CTRL_D}")
    await converse(console, tmp_path)
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("/a", ["/another ", "/about"]),
        ("/lyrics ", LYRIC_OPTIONS),
        ("/lyrics seed: rain l", ["lines: "]),
        ("/lyrics seed: rain ", LYRIC_OPTIONS[1:]),
        ("/lyrics genre: ", ["country", "rap"]),
        ("/lyrics genre:c", ["country"]),
        ("/lyrics genre: rap ", [LYRIC_OPTIONS[0], *LYRIC_OPTIONS[2:]]),
        ("/lyrics genre: rap rhyme: a", ["AABB", "ABAB", "ABCB", "AAAA"]),
        ("/filter ", ["on", "off"]),
        ("/rate last ", ["up", "down"]),
        ("/rate last up ", []),
        ("/help r", ["rate"]),
        ("/xyzzy ", []),
    ],
)
async def test_completion_offers_what_fits_at_the_cursor(
    service: WriterService, typed: str, offered: list[str]
) -> None:
    completions = CommandCompleter(service).get_completions(Document(typed), CompleteEvent())
    assert [completion.text for completion in completions] == offered


# The start


@pytest.fixture
def _fresh_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISCORD_TOKEN", "DATABASE_URL", "WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # pytest's own stays


@pytest.mark.usefixtures("_fresh_start")
def test_a_wrong_token_ends_with_one_line_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "wrong")
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "https://discord.com/developers/applications" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_fresh_start")
def test_sync_without_a_token_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sync"]) == 2
    assert "DISCORD_TOKEN is not set" in capsys.readouterr().err


@pytest.mark.usefixtures("_fresh_start")
def test_missing_weights_end_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--console"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "weights/default" in err


@pytest.mark.usefixtures("_fresh_start")
def test_a_broken_database_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ghostwriter.db").write_bytes(b"no database" * 1000)
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "ghostwriter.db is not an SQLite file" in err
