"""What the Discord journeys start from: the client over a real database and a fake model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import simcord

from bot.client import Ghostwriter
from bot.service import WriterService
from tests.bot.fakes import FakeModel, open_fake_service
from tests.journeys.discord_world import World


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database, which outlives a restart."""
    return tmp_path / "songs.db"


@pytest.fixture
def model() -> FakeModel:
    """Stands for the trained model."""
    return FakeModel()


@pytest.fixture
async def service(file: Path, model: FakeModel) -> AsyncIterator[WriterService]:
    """The writer service, open."""
    async with open_fake_service(file, model) as service:
        yield service


@pytest.fixture
def simcord_bot(service: WriterService) -> Ghostwriter:
    """The client that simcord's own fixture `simcord_env` connects."""
    return Ghostwriter(service)


@pytest.fixture
def world(simcord_env: simcord.Env) -> World:
    """A server with Ann and Bob, and the bot in it."""
    return World(simcord_env)
