"""What every slash command and button shares: who asks, from which space, and the answer to errors.

Each first acknowledges (Discord gives it 3 seconds) and then asks the service, all of it inside
`answering`: the one place where an error becomes words on Discord, for the eyes of the person who
asked. Codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import discord
from discord import app_commands

import model
from bot.errors import BotError, NotAllowed
from bot.render import CONTENT_CHARACTERS, escape, shorten
from bot.service import Origin

if TYPE_CHECKING:
    from bot.client import Ghostwriter

log = logging.getLogger(__name__)

UNKNOWN_INTERACTION = 10062  # acknowledged too late
ALREADY_ACKNOWLEDGED = 40060  # by another process with the same token
UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN = 10015, 50027  # the 15 minutes for an answer are over
UNANSWERABLE = frozenset(
    {UNKNOWN_INTERACTION, ALREADY_ACKNOWLEDGED, UNKNOWN_WEBHOOK, INVALID_WEBHOOK_TOKEN}
)


def origin_of(interaction: discord.Interaction[Ghostwriter]) -> Origin:
    """Who asks, and in which space: the server that installed the bot, else the person who did.

    A button belongs to the space of its message, whoever presses it.
    """
    # discord.py 2.7.1 reads Discord's `authorizing_integration_owners` (0: the server, 1: the
    # person), but has no public name for it.
    owners = interaction._integration_owners
    guild_id, user_id = interaction.guild_id, interaction.user.id
    if guild_id is not None and (guild_id == owners.get(0) or 1 not in owners):
        return Origin(f"guild:{guild_id}", user_id)
    return Origin(f"user:{owners.get(1, user_id)}", user_id)


def check_manager(interaction: discord.Interaction[Ghostwriter]) -> None:
    """Raises NotAllowed in a server's space to those who may not manage it; others are their own.

    An administrator has every permission that Discord sends.
    """
    of_server = origin_of(interaction).space.startswith("guild:")
    if of_server and not interaction.permissions.manage_guild:
        raise NotAllowed("Only those who may manage this server can do that.")


@asynccontextmanager
async def answering(interaction: discord.Interaction[Ghostwriter]) -> AsyncIterator[None]:
    """Answers in words whatever the block raises; the block ends there."""
    with interaction.client.answering():
        try:
            yield
        except Exception as error:
            await answer_failure(interaction, error)


async def answer_failure(interaction: discord.Interaction[Ghostwriter], error: Exception) -> None:
    """Tell the person who asked what went wrong. Never raises."""
    if isinstance(error, discord.HTTPException) and error.code in UNANSWERABLE:
        log.warning("%s could not be answered: %s", _name(interaction), error)
        return
    words = shorten(escape(_words(interaction, error)), CONTENT_CHARACTERS)
    if interaction.type is discord.InteractionType.autocomplete:
        return  # suggestions are all that it can carry
    try:
        await _answer_privately(interaction, words)
    except Exception:
        log.warning("%s could not be answered", _name(interaction), exc_info=True)


def _words(interaction: discord.Interaction[Ghostwriter], error: Exception) -> str:
    if isinstance(error, BotError | model.ModelError):
        log.info("%s was refused: %s", _name(interaction), type(error).__name__)
        return str(error)
    if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        log.warning("Discord's commands are not this bot's (%s): start it with --sync", error)
        return "This command has changed since Discord last heard of it: try again in a minute."
    error_id = secrets.token_hex(4)
    log.error("Error %s in %s", error_id, _name(interaction), exc_info=error)
    return f"Something went wrong here. The host of this bot finds it in the log: error {error_id}."


async def _answer_privately(interaction: discord.Interaction[Ghostwriter], words: str) -> None:
    response = interaction.response
    if not response.is_done():
        await response.send_message(words, ephemeral=True)
        return
    if response.type is discord.InteractionResponseType.deferred_channel_message:
        # The first follow-up would fill in the public "thinking...", so that has to go; and not
        # empty, as Discord has refused follow-ups after that (discord-api-docs issue 2739).
        with suppress(discord.HTTPException):
            await interaction.edit_original_response(content="This did not work.")
            await interaction.delete_original_response()
    await interaction.followup.send(words, ephemeral=True)


def _name(interaction: discord.Interaction[Ghostwriter]) -> str:
    """The command or button, for the log; nothing that a member typed."""
    if interaction.command is not None:
        return f"/{interaction.command.qualified_name}"
    return f"Button {interaction.custom_id}" if interaction.custom_id else interaction.type.name
