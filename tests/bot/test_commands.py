"""The table of commands keeps to Discord's limits and to the model's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

import model
from bot.commands import COMMANDS, LYRICS, MEMBERS_OPTIONS, Command, Option
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


def wish_of(values: Mapping[str, Any]) -> model.Wish:
    return model.Wish(**values).checked(("country",))


def test_a_lyric_can_be_asked_for_with_every_option_of_the_model_but_the_places_filter() -> None:
    names = {option.name for option in LYRICS.options}
    assert names == {*model.OPTIONS, "code"} - {"word_filter"}


def test_discord_has_the_options_that_members_use() -> None:
    on_discord = [option.name for option in LYRICS.options if not option.console_only]
    assert on_discord == [*MEMBERS_OPTIONS, "code"]


@pytest.mark.parametrize("name", sorted({*model.OPTIONS} - {"word_filter"}))
def test_the_example_of_an_option_is_understood_and_can_be_written(name: str) -> None:
    _, values = parse(f"/lyrics {name}: {option(name).example}")
    assert set(values) == {name}
    wish_of(values)


@pytest.mark.parametrize("option", LYRICS.options, ids=lambda option: option.name)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(option: Option) -> None:
    if option.type is str or option.minimum is None or option.maximum is None:
        return
    beyond = 1 if option.type is int else 0.01
    for value in (option.minimum, option.maximum):
        wish_of({option.name: option.type(value)})
    for value in (option.minimum - beyond, option.maximum + beyond):
        with pytest.raises(model.RequestError):
            wish_of({option.name: option.type(value)})


def test_the_limits_of_lyrics_are_those_of_the_model() -> None:
    assert option("seed").maximum == model.SEED_CHARACTERS
    assert option("title").maximum == model.TITLE_CHARACTERS
    assert (option("lines").minimum, option("lines").maximum) == (model.MIN_LINES, model.MAX_LINES)
    assert option("lines").default == model.DEFAULT_LINES
