"""The Discord client: slash commands and presses come in, lyrics go out.

It asks for no privileged intent and reads no message: commands and buttons arrive as interactions.
`run_discord` makes what it needs once and hands it down; the client itself only asks the service.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
import discord
from discord import app_commands

from bot.errors import DiscordFailed, SettingsError
from bot.interactions import answer_failure
from bot.service import WriterService, open_service
from bot.settings import TOKEN_PAGE, Settings
from bot.slash import slash_commands
from bot.sync import sync_commands
from bot.views import LyricButton

log = logging.getLogger(__name__)

ANSWERING_SECONDS = 3.0  # of the ten that Docker gives a container to stop

# discord.py warns when the libraries for voice are missing, which is no loss here.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


class Tree(app_commands.CommandTree["Ghostwriter"]):
    """The slash commands; also answers where none could be called, as for one that is no more."""

    async def on_error(
        self, interaction: discord.Interaction[Ghostwriter], error: app_commands.AppCommandError, /
    ) -> None:
        """Answer in words; discord.py's own handler answers nobody."""
        await answer_failure(interaction, error)


class Ghostwriter(discord.AutoShardedClient):
    """The bot on Discord, over a writer service that is open."""

    def __init__(self, service: WriterService, *, sync: bool = False) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,  # it keeps none
        )
        self.service = service
        self.tree = Tree(
            self,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )
        for command in slash_commands(service):
            self.tree.add_command(command)
        self._sync = sync
        self._redrawing: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._answering: set[asyncio.Task[Any]] = set()

    async def setup_hook(self) -> None:
        """After the login, before the connection: revive the buttons, tell Discord the commands."""
        self.add_dynamic_items(LyricButton)
        try:
            await sync_commands(self.tree, self.service, force=self._sync)
        except discord.HTTPException:
            log.exception("Discord refused the commands; those that it knows stay until a restart")

    async def close(self) -> None:
        """Leave Discord, once those who wait for an answer have one."""
        self.service.stop_writing()
        if self._answering:
            await asyncio.wait(self._answering, timeout=ANSWERING_SECONDS)
        await super().close()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What this task does within the block, `close` waits for."""
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            yield
        finally:
            self._answering.discard(task)

    def redrawing(self, lyric_id: int) -> asyncio.Lock:
        """To hold while a lyric's counts are read and shown; gone when nobody needs it."""
        return self._redrawing.setdefault(lyric_id, asyncio.Lock())


def run_discord(settings: Settings, *, sync: bool) -> int:
    """Serve Discord until Ctrl-C or SIGTERM; returns the exit status, 0.

    Raises SettingsError when Discord refuses the token, DiscordFailed when it cannot be reached or
    ends the connection for good, and what `open_service` raises.
    """
    with suppress(asyncio.CancelledError):  # SIGTERM
        asyncio.run(_serve(settings, sync=sync))
    return 0


async def _serve(settings: Settings, *, sync: bool) -> None:
    serving = asyncio.current_task()
    assert serving is not None
    with suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    async with open_service(settings) as service, Ghostwriter(service, sync=sync) as client:
        try:
            await client.start(settings.discord_token or "")
        except discord.LoginFailure as error:
            raise SettingsError(
                f"Discord refused DISCORD_TOKEN: copy your bot's token from {TOKEN_PAGE} "
                "(page Bot, Reset Token)"
            ) from error
        except discord.DiscordException as error:
            reason = " ".join(str(error).split())
            raise DiscordFailed(f"Discord ended the connection: {reason}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DiscordFailed(
                f"Discord cannot be reached ({type(error).__name__}): check the network"
            ) from error
