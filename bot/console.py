"""The console: the commands of `bot.commands`, typed at a prompt or read from a pipe.

From a pipe it reads one command a line and answers in plain text, each answer followed by a blank
line and flushed before the next command begins; nothing else goes to standard output. At a
terminal, `bot.prompt` adds history and completion.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import logging
import os
import re
import secrets
import sys
import threading
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from bot.commands import (
    ABOUT,
    ANOTHER,
    COMMANDS,
    FILTER,
    FILTER_STATES,
    HELP,
    LYRICS,
    QUIT,
    RATE,
    SWITCH,
    TOP,
    Command,
    Option,
)
from bot.errors import BotError, CommandError, OutputLost
from bot.service import Last, LyricRecord, Origin, Vote, WriterService, open_service
from bot.settings import Settings
from model import ModelError, Wish

log = logging.getLogger(__name__)

ORIGIN = Origin(space="console", user_id=0)
VOTES: Mapping[str, Vote] = {"up": 1, "down": -1}
EXCERPT_CHARACTERS = 60
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories: control, format, line separators

SWITCH_WORDS = {**SWITCH, "yes": True, "no": False, "true": True, "false": False}
READERS: Mapping[type, tuple[Callable[[str], Any], str]] = {  # of a typed value; what it must be
    str: (str, "a text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (lambda text: SWITCH_WORDS[text.lower()], "on or off"),
}

Values = Mapping[str, Any]  # option name -> a value of its Option's type


def run_console(settings: Settings) -> int:
    """Answer commands until the end of the input or /quit; returns the exit status.

    Raises BotError or model.ModelError when there is nothing to answer with.
    """
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if terminal else "utf-8", errors="replace")
    asyncio.run(_serve(settings, terminal))
    return 0


async def _serve(settings: Settings, terminal: bool) -> None:
    if not terminal:
        async with open_service(settings) as service:
            await answer_lines(Console(service), _lines_of_standard_input())
        return
    print("Loading the model ...", file=sys.stderr)
    async with open_service(settings) as service:
        from bot.prompt import converse  # prompt_toolkit is only for people

        await converse(Console(service), settings.database_file.with_name("console_history"))


async def answer_lines(console: Console, lines: AsyncIterator[str]) -> None:
    """Answer each line on standard output, until there are no more or one is /quit."""
    async for line in lines:
        if line.strip():
            answer = await console.answer(line)
            if answer is None:
                return
            show(answer)


def show(answer: str) -> None:
    """Print an answer and a blank line, at once. Raises OutputLost."""
    try:
        print(plain(answer), end="\n\n", flush=True)
    except OSError as error:
        # What could not be written is still in the buffer, and Python flushes it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputLost(f"Standard output cannot be written: {error.strerror}.") from error


def plain(text: str) -> str:
    """The text without what could steer a terminal or hide: control and format characters."""
    return "".join(
        c for c in text.replace("\t", " ") if c == "\n" or unicodedata.category(c) not in STEERING
    )


class Console:
    """Turns a typed line into an answer."""

    def __init__(self, service: WriterService) -> None:
        self.service = service
        self._answers: Mapping[str, Callable[[Values], Awaitable[str]]] = {
            LYRICS.name: self._lyrics,
            ANOTHER.name: self._another,
            RATE.name: self._rate,
            TOP.name: self._top,
            ABOUT.name: self._about,
            FILTER.name: self._filter,
            HELP.name: self._help,
        }

    async def answer(self, line: str) -> str | None:
        """The answer in words, whatever happens; None to /quit."""
        try:
            command, values = parse(line)
            if command is QUIT:
                return None
            return await self._answers[command.name](values)
        except (BotError, ModelError) as error:
            return str(error)
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception("Error %s in the console", error_id)
            return f"Something went wrong here; the log has the reason (error {error_id})."

    async def _lyrics(self, values: Values) -> str:
        if "code" in values:
            return _lyric(await self.service.rewrite(ORIGIN, values["code"]))
        return _lyric(await self.service.write(ORIGIN, Wish(**values)))

    async def _another(self, values: Values) -> str:
        return _lyric(await self.service.another(ORIGIN, _lyric_id(values["lyric"])))

    async def _rate(self, values: Values) -> str:
        vote = VOTES.get(values["vote"].lower())
        if vote is None:
            raise CommandError(f"A vote is up or down, for example {RATE.example}")
        record = await self.service.rate(ORIGIN, _lyric_id(values["lyric"]), vote)
        return f"Rated #{record.id}: {_counts(record)}."

    async def _top(self, _values: Values) -> str:
        best = await self.service.top(ORIGIN)
        if not best:
            return "Nothing is rated yet: /lyrics writes a song, /rate last up rates it."
        return "\n".join(f"{n:2}. {_top_entry(record)}" for n, record in enumerate(best, 1))

    async def _about(self, _values: Values) -> str:
        about = await self.service.about()
        return (
            f"Ghostwriter writes song lyrics with the model {about.model} "
            f"({about.parameters:,} parameters).\n"
            f"Genres: {', '.join(about.genres) or 'it knows none'}.\n"
            f"Stored lyrics: {about.lyrics:,}; ratings: {about.ratings:,}."
        )

    async def _filter(self, values: Values) -> str:
        if "switch" in values:
            await self.service.set_word_filter(ORIGIN, values["switch"])
        return FILTER_STATES[await self.service.word_filter(ORIGIN)]

    async def _help(self, values: Values) -> str:
        if "command" not in values:
            width = max(len(command.name) for command in COMMANDS) + 3
            return "\n".join(
                f"{'/' + command.name:{width}}{command.description}\n{'':{width}}{command.example}"
                for command in COMMANDS
            )
        command = _command(values["command"].removeprefix("/"))
        options = (
            f"  {option.name}: {option.description}{self._range(option)} "
            f"Such as {'' if command.positional else f'{option.name}: '}{option.example}"
            for option in command.options
        )
        heading = f"/{command.name}: {command.description}"
        return "\n".join([heading, *options, f"For example: {command.example}"])

    def _range(self, option: Option) -> str:
        """What the option takes, and what stands in for it."""
        words = ""
        if option.choices is not None and (choices := option.choices(self.service)):
            words = f" One of {', '.join(choices)}."
        if option.maximum is not None:
            unit = " characters" if option.type is str else ""
            words += f" From {option.minimum:g} to {option.maximum:g}{unit}."
        if option.default is not None:
            words += f" {option.default:g} if left out."
        return words


def parse(line: str) -> tuple[Command, Values]:
    """The command of a typed line and the options given. Raises CommandError.

    Only a known option's name with a colon after it begins an option, so that
    "seed: note: this is it" is the seed "note: this is it".
    """
    name, *following = line.split(maxsplit=1) or [""]
    rest = "".join(following)
    if not name.startswith("/"):
        raise CommandError(f"A command begins with a slash, for example {LYRICS.example}")
    command = _command(name[1:])
    given = _by_order(command, rest) if command.positional else _by_name(command, rest)
    missing = [o.name for o in command.options if o.required and o.name not in given]
    if missing:
        raise CommandError(f"/{command.name} needs more, for example {command.example}")
    return command, {o.name: _value(o, given[o.name]) for o in command.options if o.name in given}


def option_pattern(command: Command) -> re.Pattern[str]:
    """Finds where the options of a typed command begin; group 1 is the name."""
    names = "|".join(option.name for option in command.options) or "(?!)"  # that is nowhere
    return re.compile(rf"(?:^|(?<=\s))({names}):", re.IGNORECASE)


def _command(name: str) -> Command:
    names = {command.name: command for command in COMMANDS}
    if name.lower() in names:
        return names[name.lower()]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"Did you mean /{close[0]}?" if close else "/help lists all that there are."
    raise CommandError(f"There is no command /{_excerpt(name)}. {hint}")


def _by_order(command: Command, text: str) -> dict[str, str]:
    words = text.split()
    if len(words) > len(command.options):
        raise CommandError(f"That is too much for /{command.name}: {command.example}")
    return {option.name: word for option, word in zip(command.options, words, strict=False)}


def _by_name(command: Command, text: str) -> dict[str, str]:
    first, *rest = option_pattern(command).split(text)
    if first.strip():
        takes = "its options by name, for example " if command.options else "no options: "
        raise CommandError(f"/{command.name} takes {takes}{command.example}")
    given: dict[str, str] = {}
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        if name.lower() in given:
            raise CommandError(f"The option {name.lower()} is given twice: leave one out.")
        given[name.lower()] = value.strip()
    return given


def _value(option: Option, text: str) -> Any:
    read, kind = READERS[option.type]
    try:
        return read(text)
    except (KeyError, ValueError):
        raise CommandError(f"The option {option.name} must be {kind}.") from None


def _lyric_id(text: str) -> int | Last:
    if text.lower() == "last":
        return "last"
    try:
        return int(text.removeprefix("#"))
    except ValueError:
        raise CommandError("Name a lyric by its number, such as 12, or say last.") from None


def _lyric(record: LyricRecord) -> str:
    facts = " · ".join(filter(None, [f"#{record.id}", record.title, record.genre, record.model]))
    more = [f"code {record.code}"]
    if record.run_in_words is not None:
        more.append(record.run_in_words)
    more += [f"not quite as asked: {note}" for note in record.notes]
    more.append(f"rate it: /rate {record.id} up, or /rate {record.id} down")
    return "\n".join([record.text, "", facts, *(line[0].upper() + line[1:] for line in more)])


def _top_entry(record: LyricRecord) -> str:
    sung = [line for line in record.text.splitlines() if line and not line.startswith("[")]
    opening = _excerpt(record.title or "".join(sung[:1]))
    return " · ".join(filter(None, [f"#{record.id}", _counts(record), opening, record.genre]))


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[:EXCERPT_CHARACTERS].rstrip()}…"


def _counts(record: LyricRecord) -> str:
    return f"{record.ups} up, {record.downs} down"


async def _lines_of_standard_input() -> AsyncIterator[str]:
    """Lines as they come; what is not UTF-8 shows as "�".

    A daemon thread reads, as a blocking read on the event loop would keep Ctrl-C waiting. It reads
    unbuffered: a thread inside sys.stdin at the exit of Python would crash it.
    """
    if sys.stdin is None:
        return
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    def hand_over(line: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(arrived.put(line), loop).result()

    def read() -> None:
        # Either error comes when the loop ends first, after /quit or Ctrl-C.
        with suppress(CancelledError, RuntimeError):
            try:
                with open(0, "rb", buffering=0, closefd=False) as standard_input:
                    for line in standard_input:
                        hand_over(line)
            except OSError as error:
                log.error("Standard input cannot be read: %s", error.strerror)
            hand_over(None)

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await arrived.get()) is not None:
        yield line.decode("utf-8", "replace").removeprefix("\ufeff")
