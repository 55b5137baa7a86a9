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

from bot.commands import ABOUT, COMMANDS, LYRICS, TOP, Command, Option
from bot.interactions import answering, origin_of
from bot.render import about_embed, top_embed
from bot.service import WriterService
from bot.views import send_lyric
from model import Wish

if TYPE_CHECKING:
    from bot.client import Ghostwriter

Answer = Callable[..., Awaitable[None]]
Choices = list[app_commands.Choice[str | int | float]]

CHOICES = 25  # Discord lists no more; an option that has more makes suggestions instead


def slash_commands(service: WriterService) -> list[app_commands.Command[Any, ..., None]]:
    """Discord's commands of the table; the choices are those that the service knows now."""
    return [
        _slash_command(command, ANSWERS[command.name], service)
        for command in COMMANDS
        if not command.console_only
    ]


async def answer_lyrics(interaction: discord.Interaction[Ghostwriter], **options: Any) -> None:
    """Write a lyric for everybody to see and rate."""
    await interaction.response.defer()
    service, origin = interaction.client.service, origin_of(interaction)
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


ANSWERS: dict[str, Answer] = {
    LYRICS.name: answer_lyrics,
    TOP.name: answer_top,
    ABOUT.name: answer_about,
}


class OptionTransformer(app_commands.Transformer):
    """One option of the table in discord.py's terms."""

    def __init__(self, option: Option, choices: tuple[str, ...]) -> None:
        self.option = option
        self.names = choices

    @property
    def type(self) -> AppCommandOptionType:
        """A whole number or a text."""
        number = self.option.type is int
        return AppCommandOptionType.integer if number else AppCommandOptionType.string

    @property
    def min_value(self) -> int | None:
        """The least number, or the fewest characters."""
        return self.option.minimum

    @property
    def max_value(self) -> int | None:
        """The greatest number, or the most characters."""
        return self.option.maximum

    @property
    def choices(self) -> Choices | None:
        """All that can be chosen; None where anything can be typed."""
        return [app_commands.Choice(name=name, value=name) for name in self.names] or None

    async def transform(self, interaction: discord.Interaction[Any], value: Any, /) -> Any:
        """The value as it came."""
        return value


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
            await answer(interaction, **options)

    # discord.py reads a command's options off its callback's signature; here the table writes it.
    first = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [_parameter(option, service) for option in command.options]
    callback.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    describe = app_commands.describe(**{each.name: each.description for each in command.options})
    return app_commands.Command(
        name=command.name, description=command.description, callback=describe(callback)
    )


def _parameter(option: Option, service: WriterService) -> inspect.Parameter:
    choices = option.choices(service) if option.choices else ()
    transformer = SuggestingTransformer if len(choices) > CHOICES else OptionTransformer
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else option.default,
        annotation=transformer(option, choices),
    )
