"""What goes wrong on Discord: options that are wrong or hostile, and failures behind the scenes."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from bot.client import Ghostwriter
from bot.errors import WriterFailed
from bot.service import Origin, WriterService
from model import Wish
from tests.bot.fakes import PATIENCE, FakeModel
from tests.journeys.discord_world import World, button, shown, text_of, told

pytestmark = pytest.mark.simcord(shard_count=1, settle_timeout=PATIENCE)

QUEUE_SIZE = 8  # of the fake service

# --- text that nobody can trust --------------------------------------------------------------

PINGS = "@everyone @here <@1> <@&2> # [Chorus](https://x.y) `x` ||y||"


async def test_a_seed_full_of_mentions_and_markup_is_shown_and_pings_nobody(world: World) -> None:
    lyric = await world.lyric(seed=PINGS, title=PINGS)
    await world.bob.click(lyric, custom_id=button(lyric, "👍"))
    top = shown(await world.bob.slash(world.channel, "top"))

    assert text_of(lyric).startswith(r"\@everyone \@here \<\@1\> \<\@&2\> # \[Chorus\](https\://x")
    assert r"\@everyone" in text_of(top)
    for message in (lyric, top):
        assert not message.message.mentions
        assert not message.message.role_mentions
        assert not message.message.mention_everyone


async def test_no_message_allows_a_mention(world: World) -> None:
    lyric = await world.lyric(seed=PINGS)
    await world.bob.click(lyric, custom_id=button(lyric, "👍"))
    await world.bob.click(lyric, custom_id=button(lyric, "🔁"))
    await world.ann.slash(world.channel, "about")
    await world.ask_anyway(genre=PINGS)

    sent = [request.json for request in world.env.http_requests if "/webhooks/" in request.path]
    assert len(sent) > 5
    assert all(body["allowed_mentions"] == {"parse": []} for body in sent if body)


@pytest.mark.parametrize(
    "mark", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u200f", "\u202e", "\u2067"]
)
async def test_invisible_and_direction_marks_in_a_seed_are_dropped(world: World, mark: str) -> None:
    lyric = await world.lyric(seed=f"{mark}left{mark} turn")

    assert text_of(lyric).startswith("left turn\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": ""}, "The seed is empty"),
        ({"seed": " \n\t "}, "The seed is empty"),
        ({"seed": "\u200b\u200d\ufeff"}, "The seed is empty"),
        ({"seed": "\u202e\u200f\u2067"}, "The seed is empty"),
        ({"title": ""}, "The title is empty"),
        ({"seed": "la " * 3334}, "The seed is too long: it has 10,002 characters"),
        ({"seed": "<@1>" * 2500}, "The seed is too long: it has 10,000 characters"),
        ({"title": "la " * 3334}, "The title is too long"),
        ({"genre": "polka"}, "There is no such genre"),
        ({"genre": ""}, "There is no such genre"),
        ({"genre": "<@1> @everyone"}, "There is no such genre"),
        ({"genre": "rap" * 3334}, "There is no such genre"),
        ({"lines": 0}, "Lines must be between"),
        ({"lines": 10**15}, "Lines must be between"),
        ({"temperature": 1e300}, "Temperature must be between"),
        ({"rhyme": "ABBA"}, "Rhyme can be"),
        ({"structure": "verse-<@1>"}, "A structure is made of"),
        ({"structure": "verse " * 9}, "A structure has at most"),
        ({"code": ""}, "code"),
        ({"code": "<@1>" * 2500}, "code"),
    ],
)
async def test_an_option_that_cannot_be_met_is_answered_in_words(
    world: World, model: FakeModel, options: dict[str, Any], words: str
) -> None:
    assert words in told(await world.ask_anyway(**options))
    assert not model.asked


async def test_an_option_of_another_type_is_answered_in_words(world: World) -> None:
    assert "Lines cannot be" in told(await world.ask_anyway(lines="many"))


async def test_markup_in_an_answer_to_a_failure_is_shown_as_it_was_written(
    world: World, model: FakeModel
) -> None:
    model.breaks_with = WriterFailed("# No <@1> *rhymes* on this: " + "x" * 5000)

    words = told(await world.ann.slash(world.channel, "lyrics"))

    assert words.startswith(r"\# No \<\@1\> \*rhymes\* on this: xxx")
    assert len(words) == 2000


async def test_a_command_that_is_no_more_is_answered_in_words(world: World) -> None:
    with world.tampering(data={"id": "1", "name": "gone", "type": 1}):
        result = await world.ann.slash(world.channel, "top")

    assert result.response is not None
    assert result.response.ephemeral
    assert "has changed" in result.response.content
    assert len(world.env.errors) == 1


# --- what can fail behind --------------------------------------------------------------------


async def test_the_acknowledgement_comes_before_any_work(
    world: World, service: WriterService, monkeypatch: pytest.MonkeyPatch
) -> None:
    lyric = await world.lyric()
    waiting: list[str] = []

    def watch(name: str) -> None:
        work = getattr(service, name)

        async def watched(*args: Any, **kwargs: Any) -> Any:
            if world.env.http_requests[-1].path.endswith("/callback"):
                waiting.append(name)
            return await work(*args, **kwargs)

        monkeypatch.setattr(service, name, watched)

    for name in ("write", "another", "rate", "top", "about"):
        watch(name)

    await world.ann.slash(world.channel, "lyrics")
    await world.ann.click(lyric, custom_id=button(lyric, "🔁"))
    await world.ann.click(lyric, custom_id=button(lyric, "👍"))
    await world.ann.slash(world.channel, "top")
    await world.ann.slash(world.channel, "about")

    assert waiting == ["write", "another", "rate", "top", "about"]


async def test_a_broken_model_is_answered_in_words_and_the_next_lyric_is_written(
    world: World, model: FakeModel
) -> None:
    model.breaks_with = RuntimeError("shapes (3,4) and (5,6) not aligned")

    words = told(await world.ann.slash(world.channel, "lyrics"))

    assert "stumbled" in words
    assert "aligned" not in words
    assert await world.lyric()


async def test_a_full_queue_is_answered_in_words(
    world: World, service: WriterService, model: FakeModel
) -> None:
    model.holds = True
    here = Origin(f"guild:{world.guild.id}", 1)
    first = asyncio.create_task(service.write(here, Wish()))
    await asyncio.to_thread(model.begun.wait, PATIENCE)
    others = [asyncio.create_task(service.write(here, Wish())) for _ in range(QUEUE_SIZE + 1)]
    await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)  # the last place is taken

    words = told(await world.ann.slash(world.channel, "lyrics"))

    model.let_go.set()
    await asyncio.gather(first, *others, return_exceptions=True)
    assert words == f"{QUEUE_SIZE} lyrics are waiting to be written: try again in a minute."


async def test_whoever_waits_when_the_bot_is_stopped_is_told_so(
    world: World, model: FakeModel, simcord_bot: Ghostwriter
) -> None:
    model.endless = True
    asking = asyncio.create_task(world.ann.slash(world.channel, "lyrics"))
    await asyncio.to_thread(model.begun.wait, PATIENCE)

    await simcord_bot.close()

    assert told(await asking) == "The writer is stopping: try again in a minute."


async def test_an_unforeseen_error_is_answered_with_the_id_that_is_in_the_log(
    world: World,
    service: WriterService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(service, "top", fail)

    words = told(await world.ann.slash(world.channel, "top"))

    error_id = re.search(r"error ([0-9a-f]{8})\.", words)
    assert error_id is not None
    assert "secret" not in words
    (logged,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error_id[1] in logged.getMessage()
    assert logged.exc_info is not None
    assert logged.exc_info[0] is ZeroDivisionError


async def test_a_press_that_fails_leaves_the_lyric_and_tells_only_who_pressed(
    world: World, service: WriterService, monkeypatch: pytest.MonkeyPatch
) -> None:
    lyric = await world.lyric(seed="still here")

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service, "rate", fail)

    result = await world.bob.click(lyric, custom_id=button(lyric, "👍"))

    (answer,) = result.followups
    assert answer.ephemeral
    assert "Something went wrong" in answer.content
    assert text_of(lyric).startswith("still here")


async def test_an_interaction_that_is_acknowledged_too_late_is_logged_and_goes_no_further(
    world: World, model: FakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    world.env.inject_error(
        "POST", "/interactions/*/callback", status=404, code=10062, message="Unknown interaction"
    )

    result = await world.ann.slash(world.channel, "lyrics")

    assert not result.acknowledged
    assert not model.asked
    assert "/lyrics could not be answered" in caplog.text
    assert world.env.http_requests[-1].path.endswith("/callback")


async def test_an_answer_that_cannot_be_sent_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.env.inject_error("*", "/webhooks/*", status=403, code=50013, times=None)

    await world.ann.slash(world.channel, "lyrics")

    assert "/lyrics could not be answered" in caplog.text
