"""The engine writes in its own thread, one lyric at a time, and outlives whatever happens there."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from bot.engine import Engine
from bot.errors import Busy, WriterFailed
from model import RequestError, WeightsError, Wish, load
from tests.bot.fakes import PATIENCE, FakeModel, open_engine


async def test_a_wish_is_handed_to_the_model_whole() -> None:
    model = FakeModel()
    wish = Wish("rain", "country", "Roads", lines=5, temperature=0.5, top_p=0.75)
    async with open_engine(model) as engine:
        lyric = await engine.write(wish, random_seed=7)
    assert model.asked == [wish]
    assert lyric.random_seed == 7
    assert lyric.text.splitlines()[0] == "rain"


async def test_the_loaded_model_is_described() -> None:
    async with open_engine(FakeModel()) as engine:
        assert engine.version == "fake-00c0ffee"
        assert engine.genres == ("country", "rap")
        assert engine.parameter_count == 1234


async def test_loading_and_writing_happen_in_one_thread_off_the_event_loop() -> None:
    model = FakeModel()

    def load_fake() -> FakeModel:
        model.threads.add(threading.get_ident())
        return model

    engine = Engine(load_fake, queue_size=1, writing_seconds=PATIENCE)
    await engine.start()
    await engine.write(Wish())
    await engine.close()
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_the_event_loop_goes_on_while_a_lyric_is_written() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model) as engine:
        writing = asyncio.create_task(engine.write(Wish()))
        assert await asyncio.to_thread(model.begun.wait, PATIENCE)
        assert not writing.done()  # and yet this line runs
        model.let_go.set()
        await writing


async def test_a_full_queue_refuses_the_next_request_and_keeps_the_others() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model, queue_size=2) as engine:
        first = asyncio.create_task(engine.write(Wish("one")))
        assert await asyncio.to_thread(model.begun.wait, PATIENCE)
        waiting = [asyncio.create_task(engine.write(Wish(seed))) for seed in ("two", "three")]
        await asyncio.sleep(0)  # lets both take their places
        with pytest.raises(Busy, match="2 lyrics are waiting"):
            await engine.write(Wish("four"))
        model.let_go.set()
        await asyncio.gather(first, *waiting)
    assert [wish.seed for wish in model.asked] == ["one", "two", "three"]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), MemoryError(), SystemExit(1)])
async def test_a_crash_of_the_model_fails_that_request_and_not_the_next(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel(breaks_with=error)
    async with open_engine(model) as engine:
        with pytest.raises(WriterFailed, match="try again"):
            await engine.write(Wish())
        assert (await engine.write(Wish("rain"))).text.startswith("rain")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_a_refusal_of_the_model_reaches_whoever_asked_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = FakeModel(breaks_with=RequestError("That seed is odd."))
    async with open_engine(model) as engine:
        with pytest.raises(RequestError, match=r"That seed is odd\."):
            await engine.write(Wish())
    assert not caplog.records


async def test_a_lyric_without_a_word_is_a_failure() -> None:
    async with open_engine(FakeModel()) as engine:
        with pytest.raises(WriterFailed, match="Nothing came to mind"):
            await engine.write(Wish(" ", lines=1))


async def test_a_lyric_ends_early_when_its_time_is_over() -> None:
    async with open_engine(FakeModel(endless=True), writing_seconds=1e-6) as engine:
        assert (await engine.write(Wish("rain"))).text.startswith("rain")


async def test_writing_stops_when_nobody_waits_for_it_any_more() -> None:
    model = FakeModel(endless=True)
    async with open_engine(model) as engine:
        writing = asyncio.create_task(engine.write(Wish("one")))
        assert await asyncio.to_thread(model.begun.wait, PATIENCE)
        model.endless = False
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await engine.write(Wish("two"))).text.startswith("two")


async def test_a_request_that_nobody_waits_for_any_more_is_skipped() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model) as engine:
        first = asyncio.create_task(engine.write(Wish("one")))
        assert await asyncio.to_thread(model.begun.wait, PATIENCE)
        second = asyncio.create_task(engine.write(Wish("two")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        model.let_go.set()
        await first
        await engine.write(Wish("three"))
    assert [wish.seed for wish in model.asked] == ["one", "three"]


async def test_closing_stops_the_lyric_being_written_and_fails_those_that_wait() -> None:
    model = FakeModel(endless=True)
    async with open_engine(model) as engine:
        requests = [asyncio.create_task(engine.write(Wish())) for _ in range(3)]
        assert await asyncio.to_thread(model.begun.wait, PATIENCE)
        await engine.close()
        for request in requests:
            with pytest.raises(WriterFailed, match="stopping"):
                await request
        with pytest.raises(WriterFailed, match="stopping"):
            await engine.write(Wish())
    assert len(model.asked) == 1


async def test_weights_that_cannot_be_loaded_fail_the_start(tmp_path: Path) -> None:
    engine = Engine(lambda: load(tmp_path / "none"), queue_size=1, writing_seconds=PATIENCE)
    with pytest.raises(WeightsError):
        await engine.start()
    await engine.close()


async def test_a_crash_while_loading_fails_the_start_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load_broken() -> FakeModel:
        raise MemoryError

    engine = Engine(load_broken, queue_size=1, writing_seconds=PATIENCE)
    with caplog.at_level(logging.ERROR), pytest.raises(WriterFailed, match="could not be loaded"):
        await engine.start()
    await engine.close()
