"""Discord is told of the commands when they changed or when asked to, and at no other time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import simcord

from bot.client import Ghostwriter
from bot.service import WriterService
from tests.bot.fakes import PATIENCE, FakeModel, open_fake_service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[WriterService]:
    async with open_fake_service(tmp_path / "songs.db") as service:
        yield service


def syncs(env: simcord.Env) -> int:
    sent = [request for request in env.http_requests if request.method == "PUT"]
    assert all(request.path.endswith("/commands") for request in sent)
    return len(sent)


async def test_a_first_start_tells_discord_of_the_commands(service: WriterService) -> None:
    async with simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env:
        assert syncs(env) == 1
        assert {name for name, _ in env.backend.commands[None]} == {
            "lyrics",
            "top",
            "about",
            "filter",
        }


async def test_a_restart_with_the_same_commands_is_silent(service: WriterService) -> None:
    async with simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env:
        await env.restart_bot(Ghostwriter(service))
        assert syncs(env) == 1


async def test_a_reconnection_is_silent(service: WriterService) -> None:
    client = Ghostwriter(service)
    async with simcord.run(client, shard_count=1, settle_timeout=PATIENCE) as env:
        client.dispatch("ready")
        await env.settle()
        assert syncs(env) == 1


async def test_a_restart_may_be_told_to_sync_again(service: WriterService) -> None:
    async with simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env:
        await env.restart_bot(Ghostwriter(service, sync=True))
        assert syncs(env) == 2


async def test_other_genres_are_other_commands(tmp_path: Path) -> None:
    file = tmp_path / "songs.db"
    async with (
        open_fake_service(file) as before,
        open_fake_service(file, FakeModel(genres=("country", "polka"))) as after,
        simcord.run(Ghostwriter(before), shard_count=1, settle_timeout=PATIENCE) as env,
    ):
        await env.restart_bot(Ghostwriter(after))
        assert syncs(env) == 2


async def test_another_application_is_told_too(service: WriterService) -> None:
    async with simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env:
        env.backend.application_id += 1
        await env.restart_bot(Ghostwriter(service))
        assert syncs(env) == 2


async def test_refused_commands_are_logged_and_sent_again_at_the_next_start(
    service: WriterService, caplog: pytest.LogCaptureFixture
) -> None:
    async with simcord.run(Ghostwriter(service), shard_count=1, settle_timeout=PATIENCE) as env:
        env.backend.application_id += 1
        env.inject_error("PUT", "/applications/*/commands", status=400, code=30034)
        await env.restart_bot(Ghostwriter(service))
        assert "refused the commands" in caplog.text
        await env.restart_bot(Ghostwriter(service))
        assert syncs(env) == 3
        await env.restart_bot(Ghostwriter(service))
        assert syncs(env) == 3
