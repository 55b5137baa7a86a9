"""The table of commands keeps to Discord's limits and to the model's."""

from __future__ import annotations

import re

import pytest

import model
from bot.commands import COMMANDS, LYRICS, Command, Option
from bot.console import parse

# https://discord.com/developers/docs/interactions/application-commands
DESCRIPTION_CHARACTERS = 100
NAME = re.compile(r"[-_a-z0-9]{1,32}")

EVERY_OPTION = [option for command in COMMANDS for option in command.options]


def option(name: str) -> Option:
    (found,) = (option for option in LYRICS.options if option.name == name)
    return found


def test_every_command_has_a_name_of_its_own() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("entry", [*COMMANDS, *EVERY_OPTION], ids=lambda entry: entry.name)
def test_names_and_descriptions_fit_discord(entry: Command | Option) -> None:
    assert NAME.fullmatch(entry.name)
    assert 1 <= len(entry.description) <= DESCRIPTION_CHARACTERS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_is_a_line_that_the_console_understands(command: Command) -> None:
    assert parse(command.example)[0] is command


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_required_options_come_first_as_discord_wants_them(command: Command) -> None:
    required = [option.required for option in command.options]
    assert required == sorted(required, reverse=True)


def test_the_limits_of_lyrics_are_those_of_the_model() -> None:
    assert option("seed").maximum == model.SEED_CHARACTERS
    assert option("title").maximum == model.TITLE_CHARACTERS
    assert (option("lines").minimum, option("lines").maximum) == (model.MIN_LINES, model.MAX_LINES)
    assert option("lines").default == model.DEFAULT_LINES
