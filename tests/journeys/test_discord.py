"""Journeys through Discord: what members ask for and press, and what they then see."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from bot.client import Ghostwriter
from bot.service import Origin, WriterService
from model import MAX_LINES, Lyric, Wish
from tests.bot.fakes import PATIENCE, FakeModel, open_fake_service
from tests.journeys.discord_world import World, button, buttons, shown, text_of, told

pytestmark = pytest.mark.simcord(shard_count=1, settle_timeout=PATIENCE)


# --- the journey -----------------------------------------------------------------------------


async def test_a_vote_outlives_a_restart_and_can_be_changed_after_it(
    world: World, service: WriterService, file: Path
) -> None:
    lyric = await world.lyric(seed="rain on the road", genre="country")
    assert text_of(lyric).startswith("rain on the road\n")
    await world.bob.click(lyric, custom_id=button(lyric, "👍"))
    assert buttons(lyric) == {"👍": "1", "👎": "0", "🔁": "Another take"}

    await service.close()
    async with open_fake_service(file) as revived:
        await world.env.restart_bot(Ghostwriter(revived))
        top = shown(await world.ann.slash(world.channel, "top"))
        assert "👍 1 👎 0" in text_of(top)

        await world.bob.click(lyric, custom_id=button(lyric, "👎"))

        assert buttons(lyric) == {"👍": "0", "👎": "1", "🔁": "Another take"}
        top = shown(await world.ann.slash(world.channel, "top"))
        assert "👍 0 👎 1" in text_of(top)
        assert "rain on the road" in text_of(top)


# --- commands --------------------------------------------------------------------------------


async def test_lyrics_hands_on_every_option(world: World, model: FakeModel) -> None:
    lyric = await world.lyric(seed="the last bus", genre="rap", title="Night", lines=5)

    assert model.asked == [Wish("the last bus", "rap", "Night", lines=5)]
    assert len(text_of(lyric).splitlines()) == 5
    assert lyric.embeds[0].title == "Night"


async def test_lyrics_hands_on_a_rhyme_scheme_and_a_structure(
    world: World, model: FakeModel
) -> None:
    await world.lyric(rhyme="ABAB", structure="verse-chorus-verse", syllables="6-10", best_of=2)
    await world.lyric(temperature=1.25, keyword="lantern", bad_words="love, heart", rhyme="free")

    assert model.asked == [
        Wish(rhyme="ABAB", structure="verse-chorus-verse", syllables="6-10", best_of=2),
        Wish(temperature=1.25, keyword="lantern", bad_words="love, heart"),
    ]


async def test_a_lyric_that_is_not_all_that_was_asked_for_says_so(
    world: World, model: FakeModel
) -> None:
    model.longest_run, model.notes = 5, ("There was no place for *lantern*.",)

    lyric = await world.lyric(keyword="lantern")

    (embed,) = lyric.embeds
    (field,) = embed.fields
    assert (field.name, field.value) == (
        "Not quite as asked",
        r"There was no place for \*lantern\*.",
    )
    assert "stands in a song it learned: 5" in (embed.footer.text or "")


async def test_lyrics_needs_no_option(world: World, model: FakeModel) -> None:
    lyric = await world.lyric()

    assert model.asked == [Wish()]
    assert text_of(lyric).startswith("**\\[Verse 1\\]**\n")


async def test_the_model_never_runs_on_the_event_loop(world: World, model: FakeModel) -> None:
    await world.lyric()

    assert threading.get_ident() not in model.threads


async def test_a_lyric_too_long_for_a_message_goes_on_in_the_next(
    world: World, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = model.write

    def write_much(*args: Any, **kwargs: Any) -> Lyric:
        line = "all night long " * 20
        return dataclasses.replace(write(*args, **kwargs), text="\n".join([line] * MAX_LINES))

    monkeypatch.setattr(model, "write", write_much)

    result = await world.ann.slash(world.channel, "lyrics")

    first, *others = [shown(result), *result.followups]
    assert others
    assert not first.components
    assert sum(text_of(each).count("\n") + 1 for each in [first, *others]) == MAX_LINES
    assert set(buttons(others[-1])) == {"👍", "👎", "🔁"}


async def test_the_top_of_a_place_without_ratings_says_how_to_begin(world: World) -> None:
    await world.lyric()

    top = shown(await world.bob.slash(world.channel, "top"))

    assert "/lyrics" in text_of(top)


async def test_the_top_shows_the_best_first_and_nothing_of_other_servers(world: World) -> None:
    good, better = await world.lyric(seed="good"), await world.lyric(seed="better")
    await world.bob.click(good, custom_id=button(good, "👎"))
    await world.bob.click(better, custom_id=button(better, "👍"))
    elsewhere = World(world.env)

    here = text_of(shown(await world.ann.slash(world.channel, "top")))
    there = text_of(shown(await elsewhere.ann.slash(elsewhere.channel, "top")))

    assert here.index("better") < here.index("good")
    assert "better" not in there


async def test_about_tells_the_one_who_asks_of_the_model_and_of_what_is_stored(
    world: World,
) -> None:
    await world.lyric()

    result = await world.bob.slash(world.channel, "about")

    assert result.response is not None
    assert result.response.ephemeral
    (embed,) = result.response.embeds
    fields = {field.name: field.value for field in embed.fields}
    assert fields["Model"] == "fake-00c0ffee"
    assert fields["Genres"] == "country, rap"
    assert (fields["Lyrics"], fields["Ratings"]) == ("1", "0")
    assert "Of each vote: who voted" in str(fields["What is stored"])


async def test_the_commands_work_in_a_direct_message(world: World) -> None:
    user = world.env.create_user("carol")

    lyric = shown(await user.slash("lyrics", seed="only for you"))
    await user.click(lyric, custom_id=button(lyric, "👍"))

    assert "only for you" in text_of(shown(await user.slash("top")))
    assert "only for you" not in text_of(shown(await world.ann.slash(world.channel, "top")))


# --- buttons ---------------------------------------------------------------------------------


async def test_every_member_has_one_vote(world: World) -> None:
    lyric = await world.lyric()

    for member in (world.ann, world.bob, world.bob):
        await member.click(lyric, custom_id=button(lyric, "👍"))

    assert buttons(lyric)["👍"] == "2"


async def test_the_other_button_moves_a_vote(world: World) -> None:
    lyric = await world.lyric()

    await world.bob.click(lyric, custom_id=button(lyric, "👍"))
    await world.bob.click(lyric, custom_id=button(lyric, "👎"))

    assert buttons(lyric) == {"👍": "0", "👎": "1", "🔁": "Another take"}


async def test_another_take_is_a_new_message_with_votes_of_its_own(
    world: World, model: FakeModel
) -> None:
    lyric = await world.lyric(seed="once more", lines=6)
    await world.bob.click(lyric, custom_id=button(lyric, "👍"))

    take = shown(await world.bob.click(lyric, custom_id=button(lyric, "🔁")))
    await world.ann.click(take, custom_id=button(take, "👎"))

    assert model.asked == [Wish("once more", lines=6)] * 2
    assert text_of(take) != text_of(lyric)
    assert buttons(take) == {"👍": "0", "👎": "1", "🔁": "Another take"}
    assert buttons(lyric) == {"👍": "1", "👎": "0", "🔁": "Another take"}


async def test_a_button_of_a_lyric_that_is_no_more_says_so(world: World, tmp_path: Path) -> None:
    lyric = await world.lyric()
    async with open_fake_service(tmp_path / "other.db") as service:
        await world.env.restart_bot(Ghostwriter(service))

        pressed = await world.bob.click(lyric, custom_id=button(lyric, "👍"))
        again = await world.bob.click(lyric, custom_id=button(lyric, "🔁"))

    assert [message.content for message in pressed.followups] == [
        "There is no lyric with that number here."
    ]
    assert pressed.followups[0].ephemeral
    assert buttons(lyric)["👍"] == "0"
    assert told(again) == "There is no lyric with that number here."


# --- whose lyric it is -----------------------------------------------------------------------


async def test_who_installed_the_bot_as_their_own_app_has_a_space_of_their_own_in_any_server(
    world: World, service: WriterService
) -> None:
    with world.tampering(authorizing_integration_owners={"1": str(world.ann.id)}):
        lyric = await world.lyric()
        await world.bob.click(lyric, custom_id=button(lyric, "👍"))  # in Ann's space all the same

    assert buttons(lyric)["👍"] == "1"
    (record,) = await service.top(Origin(f"user:{world.ann.id}", world.ann.id))
    assert record.ups == 1


async def test_a_server_that_installed_the_bot_owns_what_is_written_there(
    world: World, service: WriterService
) -> None:
    guild = world.ann.guild.id
    owners = {"0": str(guild), "1": str(world.ann.id)}

    with world.tampering(authorizing_integration_owners=owners):
        await world.lyric()

    assert await service.get(Origin(f"guild:{guild}", world.ann.id), "last")
