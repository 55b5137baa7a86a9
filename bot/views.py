"""The buttons under a lyric, and the message that carries them.

A button's whole state is its custom_id ("lyric:12:up"), so it works for anybody, as long as its
message stands, over any restart: discord.py makes the button anew for each press (as in its own
example `views/dynamic_counter.py`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import discord

from bot.interactions import answering, origin_of
from bot.render import AGAIN, DOWN, UP, lyric_embeds
from bot.service import LyricRecord, Vote

if TYPE_CHECKING:
    from bot.client import Ghostwriter

Action = Literal["up", "down", "again"]

EMOJI: dict[Action, str] = {"up": UP, "down": DOWN, "again": AGAIN}
VOTES: dict[Action, Vote] = {"up": 1, "down": -1}


class LyricButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"lyric:(?P<id>[0-9]{1,19}):(?P<action>up|down|again)",
):
    """One button under one lyric: a vote, or another take."""

    def __init__(self, lyric_id: int, action: Action, label: str | None = None) -> None:
        custom_id = f"lyric:{lyric_id}:{action}"
        super().__init__(discord.ui.Button(emoji=EMOJI[action], label=label, custom_id=custom_id))
        self.lyric_id = lyric_id
        self.action = action

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        """The button that was pressed."""
        return cls(int(match["id"]), cast(Action, match["action"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the button says."""
        async with answering(interaction):
            if self.action == "again":
                await self._write_again(interaction)
            else:
                await self._vote(interaction, VOTES[self.action])

    async def _vote(self, interaction: discord.Interaction[Ghostwriter], vote: Vote) -> None:
        await interaction.response.defer()
        service, origin = interaction.client.service, origin_of(interaction)
        await service.rate(origin, self.lyric_id, vote)
        # Many may press at once: the counts are read and shown in turn, so the newest show last.
        async with interaction.client.redrawing(self.lyric_id):
            record = await service.get(origin, self.lyric_id)
            await interaction.edit_original_response(view=lyric_view(record))

    async def _write_again(self, interaction: discord.Interaction[Ghostwriter]) -> None:
        await interaction.response.defer(thinking=True)
        service, origin = interaction.client.service, origin_of(interaction)
        await send_lyric(interaction, await service.another(origin, self.lyric_id))


def lyric_view(record: LyricRecord) -> discord.ui.View:
    """The three buttons of a lyric, with its counts. They never time out."""
    view = discord.ui.View(timeout=None)
    view.add_item(LyricButton(record.id, "up", str(record.ups)))
    view.add_item(LyricButton(record.id, "down", str(record.downs)))
    view.add_item(LyricButton(record.id, "again", "Another take"))
    return view


async def send_lyric(interaction: discord.Interaction[Ghostwriter], record: LyricRecord) -> None:
    """Answer a deferred interaction with a lyric; the buttons are under its last message."""
    *first, last = lyric_embeds(record)
    for embed in first:
        await interaction.followup.send(embed=embed)
    await interaction.followup.send(embed=last, view=lyric_view(record))
