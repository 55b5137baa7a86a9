"""A small Discord to act in: a server, two members, and readers for what the bot answers them.

The real client meets simcord's in-process Discord. Discord refuses most wrong options before they
are sent, and so does simcord; `ask_anyway` sends them all the same, as nothing that arrives is to
be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import discord
import pytest
import simcord
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage


class World:
    """A server with two members, and how they see the bot's answers."""

    def __init__(self, env: simcord.Env) -> None:
        self.env = env
        self.guild = guild = env.create_guild()
        self.channel = guild.create_text_channel("songs")
        self.ann = guild.add_member(env.create_user("ann"))
        self.bob = guild.add_member(env.create_user("bob"))

    async def lyric(self, **options: Any) -> ResponseMessage:
        """The message with a new lyric that Ann asked for."""
        return shown(await self.ann.slash(self.channel, "lyrics", **options))

    def manager(self) -> MemberActor:
        """Another member, who may manage the server."""
        role = self.guild.create_role("manager", permissions=discord.Permissions(manage_guild=True))
        return self.guild.add_member(self.env.create_user("mia"), roles=[role])

    @contextmanager
    def tampering(self, **changes: Any) -> Iterator[None]:
        """Within the block, interactions reach the bot with these parts changed."""
        emit = self.env.backend.emit

        def emit_changed(event: str, payload: Mapping[str, Any]) -> None:
            changed = {**payload, **changes} if event == "INTERACTION_CREATE" else payload
            emit(event, changed)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.env.backend, "emit", emit_changed)
            yield

    async def ask_anyway(self, **options: Any) -> InteractionResult:
        """Ann runs /lyrics with options that nothing has checked."""
        kinds = {str: 3, int: 4, float: 10}
        sent = [
            {"name": name, "type": kinds[type(value)], "value": value}
            for name, value in options.items()
        ]
        with self.tampering(data={"id": "1", "name": "lyrics", "type": 1, "options": sent}):
            return await self.ann.slash(self.channel, "lyrics")


def shown(result: InteractionResult) -> ResponseMessage:
    """The public answer."""
    assert result.response is not None
    assert not result.response.ephemeral
    return result.response


def text_of(message: ResponseMessage) -> str:
    (embed,) = message.embeds
    return embed.description or ""


def told(result: InteractionResult) -> str:
    """The private words that answer a failure; nothing else of the answer is left."""
    assert result.acknowledged
    assert result.response is None
    (message,) = result.followups
    assert message.ephemeral
    return message.content


def buttons(message: ResponseMessage) -> dict[str, str]:
    """What is written on each button, by its emoji."""
    (row,) = message.components
    return {button["emoji"]["name"]: button["label"] for button in row["components"]}


def button(message: ResponseMessage, emoji: str) -> str:
    """The custom_id of the button with this emoji."""
    (row,) = message.components
    (found,) = [each for each in row["components"] if each["emoji"]["name"] == emoji]
    return str(found["custom_id"])
