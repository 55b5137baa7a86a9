"""The table of commands (bot/commands.py) as Discord's slash commands, and the answer to each.

Names, descriptions, limits and choices are the table's. Discord's own clients keep to them, but
what arrives is handed on as it came, and the service checks it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import discord
from discord import AppCommandOptionType, app_commands

from bot.commands import (
    ABOUT,
    COMMANDS,
    FILTER,
    FILTER_STATES,
    LYRICS,
    SWITCH,
    TOP,
    Command,
    Option,
)
from bot.interactions import answering, check_manager, origin_of
from bot.render import about_embed, top_embed
from bot.service import WriterService
from bot.views import send_lyric
from model import Wish

if TYPE_CHECKING:
    from bot.client import Ghostwriter

Answer = Callable[..., Awaitable[None]]
Choices = list[app_commands.Choice[str | int | float]]

CHOICES = 25  # Discord lists no more; an option that has more makes suggestions instead
TYPES = {
    str: AppCommandOptionType.string,
    int: AppCommandOptionType.integer,
    float: AppCommandOptionType.number,
    bool: AppCommandOptionType.string,  # of two choices, as Discord's own would be True and False
}


def slash_commands(service: WriterService) -> list[app_commands.Command[Any, ..., None]]:
    """Discord's commands of the table; the choices are those that the service knows now."""
    return [
        _slash_command(command, ANSWERS[command.name], service)
        for command in COMMANDS
        if not command.console_only
    ]


async def answer_lyrics(
    interaction: discord.Interaction[Ghostwriter], *, code: str | None, **options: Any
) -> None:
    """Write a lyric for everybody to see and rate."""
    await interaction.response.defer()
    service, origin = interaction.client.service, origin_of(interaction)
    if code is not None:
        await send_lyric(interaction, await service.rewrite(origin, code))
    else:
        await send_lyric(interaction, await service.write(origin, Wish(**options)))


async def answer_top(interaction: discord.Interaction[Ghostwriter]) -> None:
    """List the best lyrics of this place."""
    await interaction.response.defer()
    best = await interaction.client.service.top(origin_of(interaction))
    await interaction.followup.send(embed=top_embed(best))


async def answer_about(interaction: discord.Interaction[Ghostwriter]) -> None:
    """Describe the bot to the one who asks."""
    await interaction.response.defer(ephemeral=True)
    await interaction.followup.send(embed=about_embed(await interaction.client.service.about()))


async def answer_filter(
    interaction: discord.Interaction[Ghostwriter], *, switch: bool | None
) -> None:
    """Switch the word filter of the place, and tell the one who asks whether it is on."""
    await interaction.response.defer(ephemeral=True)
    service, origin = interaction.client.service, origin_of(interaction)
    if switch is not None:
        await service.set_word_filter(origin, switch)
    await interaction.followup.send(FILTER_STATES[await service.word_filter(origin)])


ANSWERS: dict[str, Answer] = {
    LYRICS.name: answer_lyrics,
    TOP.name: answer_top,
    ABOUT.name: answer_about,
    FILTER.name: answer_filter,
}


class OptionTransformer(app_commands.Transformer):
    """One option of the table in discord.py's terms."""

    def __init__(self, option: Option, choices: tuple[str, ...]) -> None:
        self.option = option
        self.names = choices

    @property
    def type(self) -> AppCommandOptionType:
        """A number or a text."""
        return TYPES[self.option.type]

    @property
    def min_value(self) -> float | None:
        """The least number, or the fewest characters."""
        return self.option.minimum

    @property
    def max_value(self) -> float | None:
        """The greatest number, or the most characters."""
        return self.option.maximum

    @property
    def choices(self) -> Choices | None:
        """All that can be chosen; None where anything can be typed."""
        return [app_commands.Choice(name=name, value=name) for name in self.names] or None

    async def transform(self, interaction: discord.Interaction[Any], value: Any, /) -> Any:
        """The value as it came; on and off are what they mean."""
        return SWITCH[value] if self.option.type is bool else value


class SuggestingTransformer(OptionTransformer):
    """An option with more choices than Discord lists: it suggests those that fit what is typed."""

    @property
    def choices(self) -> None:
        """None, as an option has either choices or suggestions."""
        return None

    async def autocomplete(
        self, interaction: discord.Interaction[Any], value: str | float, /
    ) -> Choices:
        """The first choices that contain what was typed so far."""
        typed = str(value).casefold()
        fitting = [name for name in self.names if typed in name.casefold()]
        return [app_commands.Choice(name=name, value=name) for name in fitting[:CHOICES]]


def _slash_command(
    command: Command, answer: Answer, service: WriterService
) -> app_commands.Command[Any, ..., None]:
    async def callback(interaction: discord.Interaction[Ghostwriter], **options: Any) -> None:
        async with answering(interaction):
            if command.managers_only:
                check_manager(interaction)  # what Discord hides can be asked for all the same
            await answer(interaction, **options)

    # discord.py reads a command's options off its callback's signature; here the table writes it.
    first = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    options = [option for option in command.options if not option.console_only]
    parameters = [_parameter(option, service) for option in options]
    callback.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    describe = app_commands.describe(**{each.name: each.description for each in options})
    slash: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=command.name, description=command.description, callback=describe(callback)
    )
    if command.managers_only:
        slash.default_permissions = discord.Permissions(manage_guild=True)
    return slash


def _parameter(option: Option, service: WriterService) -> inspect.Parameter:
    choices = option.choices(service) if option.choices else ()
    transformer = SuggestingTransformer if len(choices) > CHOICES else OptionTransformer
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else option.default,
        annotation=transformer(option, choices),
    )
