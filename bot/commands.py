"""The one table of commands for both faces: names, descriptions, options and limits, written once.

Discord registers those that are not `console_only` (its buttons stand for the others); the console
offers all of them. The limits are those of `model`, which checks them: a face is never trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import model

if TYPE_CHECKING:
    from bot.service import WriterService


@dataclass(frozen=True)
class Option:
    """One option of a command. The limits bound a number's value, or a text's characters."""

    name: str
    description: str  # 100 characters at most, as Discord allows
    type: type[str] | type[int] = str
    required: bool = False
    choices: Callable[[WriterService], tuple[str, ...]] | None = None  # None: any value of the type
    minimum: int | None = None
    maximum: int | None = None
    default: int | None = None  # only for show: the service fills it in


@dataclass(frozen=True)
class Command:
    """One command; `example` is a line that works as it stands in the console."""

    name: str
    description: str  # 100 characters at most, as Discord allows
    example: str
    options: tuple[Option, ...] = ()
    console_only: bool = False
    positional: bool = False  # the console reads "/rate last up" by order instead of by name


LYRICS = Command(
    "lyrics",
    "Write the lyrics of a song.",
    "/lyrics seed: rain on the road genre: country lines: 12",
    (
        Option(
            "seed",
            "How the song begins; leave it out for a surprise.",
            minimum=1,
            maximum=model.SEED_CHARACTERS,
        ),
        Option(
            "genre",
            "The kind of song; leave it out for any.",
            choices=lambda service: service.genres,
        ),
        Option("title", "What the song is called.", minimum=1, maximum=model.TITLE_CHARACTERS),
        Option(
            "lines",
            "How many lines to write at most.",
            type=int,
            minimum=model.MIN_LINES,
            maximum=model.MAX_LINES,
            default=model.DEFAULT_LINES,
        ),
    ),
)
TOP = Command("top", "Show the best rated lyrics of this place.", "/top")
ABOUT = Command("about", "Show which model writes here and how much it has written.", "/about")

_WHICH = Option("lyric", "Which lyric: its number, or last for your newest.", required=True)
ANOTHER = Command(
    "another",
    "Write another take of a lyric, from the same options.",
    "/another last",
    (_WHICH,),
    console_only=True,
    positional=True,
)
RATE = Command(
    "rate",
    "Rate a lyric; a second vote replaces your first.",
    "/rate last up",
    (
        _WHICH,
        Option("vote", "up or down.", required=True, choices=lambda _: ("up", "down")),
    ),
    console_only=True,
    positional=True,
)
HELP = Command(
    "help",
    "List the commands, or explain one.",
    "/help lyrics",
    (
        Option(
            "command",
            "Which command to explain.",
            choices=lambda _: tuple(command.name for command in COMMANDS),
        ),
    ),
    console_only=True,
    positional=True,
)
QUIT = Command("quit", "Leave the console (Ctrl-D does, too).", "/quit", console_only=True)

COMMANDS: tuple[Command, ...] = (LYRICS, ANOTHER, RATE, TOP, ABOUT, HELP, QUIT)
