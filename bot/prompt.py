"""The console at a terminal: history, completion, Ctrl-C and Ctrl-D, by prompt_toolkit."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from bot.commands import COMMANDS, Option
from bot.console import Console, option_pattern, show
from bot.service import WriterService

WELCOME = "Ghostwriter. /lyrics writes a song, /help lists the commands, Ctrl-D leaves."


async def converse(console: Console, history_file: Path) -> None:
    """Answer what is typed until Ctrl-D or /quit."""
    session: PromptSession[str] = PromptSession(
        history=_history(history_file), completer=CommandCompleter(console.service)
    )
    show(WELCOME)
    while True:
        try:
            line = await session.prompt_async("> ")
        except KeyboardInterrupt:
            continue  # Ctrl-C clears the line
        except EOFError:
            return
        if line.strip():
            answer = await _answer_unless_stopped(console, line)
            if answer is None:
                return
            show(answer)


class CommandCompleter(Completer):
    """Offers commands, then their options, then the choices of an option, such as genres."""

    def __init__(self, service: WriterService) -> None:
        self._service = service

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """What could stand at the cursor in place of what is being typed."""
        typed, offers = self._offers(document.text_before_cursor.lstrip())
        for offer in offers:
            if offer.lower().startswith(typed.lower()):
                yield Completion(offer, start_position=-len(typed))

    def _offers(self, text: str) -> tuple[str, Sequence[str]]:
        """What is being typed, and all that could stand there."""
        name, space, rest = text.partition(" ")
        if not space:
            return name, [f"/{c.name}{' ' if c.options else ''}" for c in COMMANDS]
        command = next((c for c in COMMANDS if f"/{c.name}" == name.lower()), None)
        if command is None:
            return "", []
        *before, word = rest.split(" ")
        if command.positional:
            place = sum(bool(each) for each in before)
            return word, self._choices(command.options[place : place + 1])
        marks = list(option_pattern(command).finditer(rest))
        given = {mark[1].lower(): rest[mark.end() :].lstrip() for mark in marks}
        for option_name, value in list(given.items())[-1:]:
            choices = self._choices([o for o in command.options if o.name == option_name])
            if any(choice.lower().startswith(value.lower()) for choice in choices):
                return value, choices
        return word, [f"{o.name}: " for o in command.options if o.name not in given]

    def _choices(self, options: Sequence[Option]) -> Sequence[str]:
        return [name for o in options if o.choices for name in o.choices(self._service)]


async def _answer_unless_stopped(console: Console, line: str) -> str | None:
    """The answer; Ctrl-C while it is being written stops that, and nothing else."""
    loop = asyncio.get_running_loop()
    answering = asyncio.ensure_future(console.answer(line))
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C ends the console
        loop.add_signal_handler(signal.SIGINT, answering.cancel)
    try:
        await asyncio.wait([answering])
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)
    return "Stopped." if answering.cancelled() else answering.result()


def _history(file: Path) -> History:
    """Kept in the file; for this session only where that cannot be written."""
    try:
        file.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(file)
