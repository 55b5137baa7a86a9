"""The one table of commands for both faces: names, descriptions, options and limits, written once.

Discord registers those that are not `console_only` (its buttons stand for the others), with the
options that members use; the console offers all of them. The options of a lyric are those of
`model.OPTIONS`, which checks them: a face is never trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import model

if TYPE_CHECKING:
    from bot.service import WriterService

Choices = Callable[["WriterService"], tuple[str, ...]]

SWITCH = {"on": True, "off": False}  # what people type or choose for a bool


@dataclass(frozen=True)
class Option:
    """One option of a command. The limits bound a number's value, or a text's characters."""

    name: str
    description: str  # 100 characters at most, as Discord allows
    example: str
    type: type[str] | type[int] | type[float] | type[bool] = str
    required: bool = False
    choices: Choices | None = None  # None: any value of the type
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None  # only for show: the service fills it in
    console_only: bool = False


@dataclass(frozen=True)
class Command:
    """One command; `example` is a line that works as it stands in the console."""

    name: str
    description: str  # 100 characters at most, as Discord allows
    example: str
    options: tuple[Option, ...] = ()
    console_only: bool = False
    positional: bool = False  # the console reads "/rate last up" by order instead of by name
    managers_only: bool = False  # on a server, for those who may manage it


# The options of a lyric that Discord has, in its order; the console has the others as well.
MEMBERS_OPTIONS = (
    "seed",
    "genre",
    "title",
    "rhyme",
    "structure",
    "section_lines",
    "lines",
    "syllables",
    "keyword",
    "bad_words",
    "temperature",
    "best_of",
)
OTHER_OPTIONS = tuple(
    name for name in model.OPTIONS if name not in {*MEMBERS_OPTIONS, "word_filter"}
)
OPTION_CHOICES: dict[str, Choices] = {
    "genre": lambda service: service.genres,
    "rhyme": lambda _: (*model.RHYMES, "free"),
}


def _lyric_option(name: str) -> Option:
    """An option of the model's table."""
    default: Any = model.OPTIONS[name].default
    about = model.OPTIONS[name].metadata
    least = 1 if "longest" in about else about.get("least")
    if "above" in about:
        least = about["above"] + 0.01  # such numbers are kept to two decimals
    return Option(
        name,
        about["help"],
        about["example"],
        type=str if default is None else type(default),
        choices=OPTION_CHOICES.get(name),
        minimum=least,
        maximum=about.get("longest", about.get("most")),
        default=default,
        console_only=name not in MEMBERS_OPTIONS,
    )


LYRICS = Command(
    "lyrics",
    "Write the lyrics of a song.",
    "/lyrics seed: rain on the road genre: country lines: 12",
    (
        *map(_lyric_option, MEMBERS_OPTIONS),
        Option(
            "code",
            "Write the lyric of a code again; other options are not used.",
            "k3f9-2m7c-0wxd-9a",
            minimum=1,
        ),
        *map(_lyric_option, OTHER_OPTIONS),
    ),
)
TOP = Command("top", "Show the best rated lyrics of this place.", "/top")
ABOUT = Command("about", "Show which model writes here and how much it has written.", "/about")
FILTER = Command(
    "filter",
    "Switch the word filter of this place, or say whether it is on.",
    "/filter off",
    (
        Option(
            "switch",
            "on or off; leave it out to see which it is.",
            "off",
            type=bool,
            choices=lambda _: tuple(SWITCH),
        ),
    ),
    positional=True,
    managers_only=True,
)
FILTER_STATES = {
    True: "The word filter is on here: slurs and obscene words are kept out of new lyrics.",
    False: "The word filter is off here: new lyrics may hold any words.",
}

_WHICH = Option("lyric", "Which lyric: its number, or last for your newest.", "last", required=True)
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
        Option("vote", "up or down.", "up", required=True, choices=lambda _: ("up", "down")),
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
            "lyrics",
            choices=lambda _: tuple(command.name for command in COMMANDS),
        ),
    ),
    console_only=True,
    positional=True,
)
QUIT = Command("quit", "Leave the console (Ctrl-D does, too).", "/quit", console_only=True)

COMMANDS: tuple[Command, ...] = (LYRICS, ANOTHER, RATE, TOP, ABOUT, FILTER, HELP, QUIT)
