"""Discord over a trained model: a lyric of many demands, its code, and the word filter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from simcord.results import InteractionResult

from bot.service import Origin, WriterService, open_service
from bot.settings import Settings
from tests.bot.fakes import PATIENCE, url_of
from tests.journeys.discord_world import World, text_of, told

pytestmark = pytest.mark.simcord(shard_count=1, settle_timeout=PATIENCE)

OFFENSIVE = "shit on the road"


@pytest.fixture
async def service(file: Path, tiny_weights: Path) -> AsyncIterator[WriterService]:
    """The writer service over a small real model."""
    settings = Settings(database_url=url_of(file), weights=tiny_weights)
    async with open_service(settings) as service:
        yield service


def said(result: InteractionResult) -> str:
    """The private answer of a command that worked, or was refused at once."""
    assert result.response is not None
    assert result.response.ephemeral
    assert not result.followups
    return result.response.content


async def test_a_structure_is_sung_and_its_chorus_comes_back(world: World) -> None:
    lyric = await world.lyric(
        structure="verse-chorus-verse-chorus", section_lines=2, rhyme="AABB", best_of=1
    )

    stanzas = [stanza.splitlines() for stanza in text_of(lyric).split("\n\n")]
    assert ["Verse" in heading for heading, *_ in stanzas] == [True, False, True, False]
    assert [len(lines) for _, *lines in stanzas] == [2, 2, 2, 2]
    assert stanzas[1] == stanzas[3]


async def test_the_code_under_a_lyric_writes_it_again_for_anybody(
    world: World, service: WriterService
) -> None:
    lyric = await world.lyric(seed="rain on the road", genre="country", lines=4, best_of=2)
    (embed,) = lyric.embeds
    _, _, code = (embed.footer.text or "").partition("code ")
    elsewhere = World(world.env)

    again = await elsewhere.lyric(code=code.split(" · ")[0], seed="this is not used")

    assert text_of(again) == text_of(lyric)
    assert await service.get(Origin(f"guild:{elsewhere.guild.id}", elsewhere.ann.id), "last")


async def test_the_word_filter_is_on_until_a_manager_switches_it_off(world: World) -> None:
    manager = world.manager()
    refused = told(await world.ann.slash(world.channel, "lyrics", seed=OFFENSIVE, lines=4))
    off = said(await manager.slash(world.channel, "filter", switch="off"))
    shown = await world.lyric(seed=OFFENSIVE, lines=4, best_of=1)
    on = said(await manager.slash(world.channel, "filter", switch="on"))
    refused_again = told(await world.ann.slash(world.channel, "lyrics", seed=OFFENSIVE, lines=4))

    assert "keep it clean" in refused
    assert refused_again == refused
    assert "filter is off" in off
    assert text_of(shown).startswith(OFFENSIVE)
    assert "filter is on" in on
    assert said(await manager.slash(world.channel, "filter")) == on


async def test_a_code_does_not_get_around_the_word_filter(world: World) -> None:
    manager = world.manager()
    await manager.slash(world.channel, "filter", switch="off")
    lyric = await world.lyric(seed=OFFENSIVE, lines=4, best_of=1)
    code = (lyric.embeds[0].footer.text or "").partition("code ")[2].split(" · ")[0]
    elsewhere = World(world.env)

    words = told(await elsewhere.ann.slash(elsewhere.channel, "lyrics", code=code))

    assert words == "This lyric was written without the word filter, which is on here."


async def test_a_member_who_may_not_manage_the_server_cannot_switch_its_filter(
    world: World, service: WriterService
) -> None:
    data = {
        "id": "1",
        "name": "filter",
        "type": 1,
        "options": [{"name": "switch", "type": 3, "value": "off"}],
    }
    with world.tampering(data=data):  # Discord itself would not show the command
        words = said(await world.ann.slash(world.channel, "about"))

    assert words == "Only those who may manage this server can do that."
    assert await service.word_filter(Origin(f"guild:{world.guild.id}", world.ann.id))


async def test_the_filter_of_a_persons_own_space_is_theirs_to_switch(
    world: World, service: WriterService
) -> None:
    user = world.env.create_user("eve")

    words = said(await user.slash("filter", switch="off"))

    assert "filter is off" in words
    assert not await service.word_filter(Origin(f"user:{user.id}", user.id))
