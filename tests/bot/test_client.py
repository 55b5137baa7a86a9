"""The client: what it registers, what it asks of Discord, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from discord.http import Route

from bot import client as client_module
from bot.client import Ghostwriter, run_discord
from bot.commands import COMMANDS
from bot.errors import DiscordFailed, SettingsError
from bot.service import WriterService
from bot.settings import Settings
from bot.slash import ANSWERS
from model import MAX_LINES, MIN_LINES, SEED_CHARACTERS
from tests.bot.fakes import PATIENCE, FakeModel, open_fake_service

TOKEN = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
MANY_GENRES = tuple(f"genre {number:02}" for number in range(60))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[WriterService]:
    async with open_fake_service(tmp_path / "songs.db") as service:
        yield service


def payload_of(client: Ghostwriter) -> dict[str, dict[str, Any]]:
    """What Discord is told of each command."""
    return {command.name: command.to_dict(client.tree) for command in client.tree.get_commands()}


def options_of(client: Ghostwriter) -> dict[str, dict[str, Any]]:
    """What Discord is told of each option of /lyrics."""
    return {option["name"]: option for option in payload_of(client)["lyrics"]["options"]}


# --- what it registers -----------------------------------------------------------------------


def test_every_command_of_the_table_that_is_not_the_consoles_has_an_answer() -> None:
    assert set(ANSWERS) == {command.name for command in COMMANDS if not command.console_only}


async def test_the_limits_of_the_options_are_those_of_the_model(service: WriterService) -> None:
    options = options_of(Ghostwriter(service))

    assert (options["lines"]["min_value"], options["lines"]["max_value"]) == (MIN_LINES, MAX_LINES)
    assert options["seed"]["max_length"] == SEED_CHARACTERS
    assert [choice["value"] for choice in options["genre"]["choices"]] == ["country", "rap"]
    assert (options["temperature"]["type"], options["temperature"]["max_value"]) == (10, 2)
    assert "top_p" not in options  # the console has it
    assert not any(option["required"] for option in options.values())


async def test_a_model_without_genres_leaves_the_genre_open(tmp_path: Path) -> None:
    async with open_fake_service(tmp_path / "songs.db", FakeModel(genres=())) as service:
        assert "choices" not in options_of(Ghostwriter(service))["genre"]


async def test_more_genres_than_discord_lists_are_suggested_while_one_types(
    tmp_path: Path,
) -> None:
    async with (
        open_fake_service(tmp_path / "songs.db", FakeModel(genres=MANY_GENRES)) as service,
        simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env,
    ):
        assert "choices" not in options_of(Ghostwriter(service))["genre"]
        channel = env.create_guild().create_text_channel("songs")
        ann = env.guild.add_member(env.create_user("ann"))

        everything = await ann.autocomplete(channel, "lyrics", "genre", "")
        some = await ann.autocomplete(channel, "lyrics", "genre", "E 3")
        nothing = await ann.autocomplete(channel, "lyrics", "genre", "x" * 6000)

    assert [choice["value"] for choice in everything] == list(MANY_GENRES[:25])
    assert [choice["value"] for choice in some] == list(MANY_GENRES[30:40])
    assert nothing == []


@pytest.mark.parametrize("genres", [("country", "rap"), MANY_GENRES])
async def test_the_commands_keep_to_the_limits_of_discord(
    genres: tuple[str, ...], tmp_path: Path
) -> None:
    async with open_fake_service(tmp_path / "songs.db", FakeModel(genres=genres)) as service:
        commands = payload_of(Ghostwriter(service))

    assert len(commands) <= 100
    for command in commands.values():
        parts = [command, *command["options"]]
        assert len(command["options"]) <= 25
        assert len(json.dumps(command)) <= 8000
        for part in parts:
            assert 1 <= len(part["name"]) <= 32
            assert part["name"] == part["name"].lower()
            assert 1 <= len(part["description"]) <= 100
            assert len(part.get("choices", [])) <= 25
            assert part.get("max_length", 1) <= 6000


async def test_the_commands_work_in_servers_in_messages_and_as_a_persons_own_app(
    service: WriterService,
) -> None:
    for command in payload_of(Ghostwriter(service)).values():
        assert command["contexts"] == [0, 1, 2]
        assert command["integration_types"] == [0, 1]


async def test_only_the_filter_is_hidden_from_members_who_may_not_manage_the_server(
    service: WriterService,
) -> None:
    commands = payload_of(Ghostwriter(service))
    hidden = {name: each["default_member_permissions"] for name, each in commands.items()}
    manage_guild = discord.Permissions(manage_guild=True).value
    assert hidden == {"lyrics": None, "top": None, "about": None, "filter": manage_guild}


# --- what it asks of Discord -----------------------------------------------------------------


async def test_it_asks_for_no_intent_but_servers_and_pings_nobody(service: WriterService) -> None:
    client = Ghostwriter(service)

    assert client.intents == discord.Intents(guilds=True)
    allowed = client.allowed_mentions
    assert allowed is not None
    assert not any((allowed.everyone, allowed.users, allowed.roles, allowed.replied_user))


async def test_the_counts_of_one_lyric_are_shown_in_turn(service: WriterService) -> None:
    client = Ghostwriter(service)

    async with client.redrawing(1):
        assert client.redrawing(1).locked()
        assert not client.redrawing(2).locked()

    assert not client.redrawing(1).locked()


# --- how it ends -----------------------------------------------------------------------------


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Gives run_discord a fake model; set when its service was closed."""
    closed = threading.Event()

    @asynccontextmanager
    async def open_service(_: Settings) -> AsyncIterator[WriterService]:
        try:
            async with open_fake_service(tmp_path / "songs.db") as service:
                yield service
        finally:
            closed.set()

    monkeypatch.setattr(client_module, "open_service", open_service)
    return closed


class Refusing(BaseHTTPRequestHandler):
    """Discord's answer to a token that is none of its own."""

    def do_GET(self) -> None:
        body = b'{"message": "401: Unauthorized", "code": 0}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing_discord(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("refusing_discord")
def test_a_token_that_discord_refuses_ends_with_where_to_get_one(
    closed: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    with pytest.raises(SettingsError, match=r"DISCORD_TOKEN.*discord\.com/developers") as refusal:
        run_discord(Settings(discord_token=TOKEN), sync=False)

    assert "\n" not in str(refusal.value)
    assert closed.is_set()
    assert TOKEN not in caplog.text + str(refusal.value)
    assert TOKEN.rsplit(".", 1)[1] not in caplog.text


def test_no_network_ends_with_a_line_that_says_so(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{port}")

        with pytest.raises(DiscordFailed, match="cannot be reached") as failure:
            run_discord(Settings(discord_token=TOKEN), sync=False)

    assert "\n" not in str(failure.value)
    assert closed.is_set()


def test_a_connection_that_discord_ends_for_good_ends_with_one_line(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(*_: Any, **__: Any) -> None:
        raise discord.GatewayNotFound

    monkeypatch.setattr(Ghostwriter, "start", start)

    with pytest.raises(DiscordFailed, match="ended the connection"):
        run_discord(Settings(discord_token=TOKEN), sync=False)

    assert closed.is_set()


def test_sigterm_closes_the_service_and_ends_well(
    closed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(Ghostwriter, "start", start)

    assert run_discord(Settings(discord_token=TOKEN), sync=False) == 0
    assert closed.is_set()
