"""The engine writes many lyrics in its own thread, in fair turns, and outlives what happens there.

Where order matters, the first step is held until everybody has asked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot import engine as engine_module
from bot.engine import Engine
from bot.errors import Busy, WriterFailed
from bot.writing import Code
from model import RequestError, WeightsError, Wish, load
from tests.bot.fakes import PATIENCE, FakeModel, open_engine

HERE, THERE = "guild:1", "guild:2"
SHORT = Wish(lines=4, best_of=1)


@dataclass
class SteppedModel(FakeModel):
    """A model that takes no step without a permit."""

    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def enter(self, method: str) -> None:
        if method == "step":
            self.permits.acquire(timeout=PATIENCE)
        super().enter(method)


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


def seeds(model: FakeModel) -> list[str | None]:
    return [wish.seed for wish in model.asked]


# --- one lyric --------------------------------------------------------------------------------


async def test_a_wish_is_handed_to_the_model_whole() -> None:
    model = FakeModel()
    wish = Wish("rain", "country", "Roads", lines=5, temperature=0.5, top_p=0.75)
    async with open_engine(model) as engine:
        lyric = await engine.write(HERE, wish, random_seed=7)
    assert model.asked == [wish]
    assert lyric.random_seed == 7
    assert lyric.text.splitlines()[0] == "rain"


async def test_the_lyric_of_a_code_is_written_again() -> None:
    async with open_engine(FakeModel()) as engine:
        lyric = await engine.write(HERE, Wish("rain"), random_seed=7)
        assert await engine.write(HERE, Code(lyric.code)) == lyric
        with pytest.raises(RequestError, match="not of the model"):
            await engine.write(HERE, Code("another:7"))


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

    async with open_engine(load_fake) as engine:
        await engine.write(HERE, Wish())
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_the_event_loop_goes_on_while_a_lyric_is_written() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model) as engine:
        writing = asyncio.create_task(engine.write(HERE, Wish()))
        await until(model.begun)
        assert not writing.done()  # and yet this line runs
        model.let_go.set()
        await writing


async def test_a_refusal_of_the_model_reaches_whoever_asked_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = FakeModel(breaks_with=RequestError("That seed is odd."), breaks_in="join")
    async with open_engine(model) as engine:
        with pytest.raises(RequestError, match=r"That seed is odd\."):
            await engine.write(HERE, Wish())
    assert not caplog.records


async def test_a_lyric_without_a_word_is_a_failure() -> None:
    async with open_engine(FakeModel()) as engine:
        with pytest.raises(WriterFailed, match="Nothing came to mind"):
            await engine.write(HERE, Wish(" ", lines=1))


async def test_a_lyric_ends_early_when_its_time_is_over() -> None:
    async with open_engine(FakeModel(endless=True), writing_seconds=1e-6) as engine:
        assert (await engine.write(HERE, Wish("rain"))).text == "rain"


# --- line by line -----------------------------------------------------------------------------


async def test_lines_can_be_read_before_the_lyric_has_ended() -> None:
    model = SteppedModel()
    async with open_engine(model) as engine:
        with engine.begin(HERE, SHORT, random_seed=7) as writing:
            read = []
            for _ in range(3):
                model.permits.release()
                read.append(await anext(writing))
                assert not writing.ended
            model.permits.release()
            read += [line async for line in writing]
            assert read == ["[Verse 1]", *(f"line {n} of take 7" for n in (2, 3, 4))]
            assert (await writing.lyric()).text == "\n".join(read)


async def test_the_lines_of_the_best_of_many_all_come_at_the_end() -> None:
    async with open_engine(FakeModel()) as engine:
        with engine.begin(HERE, Wish(lines=4, best_of=8)) as writing:
            lyric = await writing.lyric()
            assert [line async for line in writing] == lyric.text.split("\n")


async def test_lines_end_when_the_writing_fails() -> None:
    async with open_engine(FakeModel(breaks_with=ZeroDivisionError())) as engine:
        with engine.begin(HERE, Wish()) as writing:
            assert [line async for line in writing] == []
            with pytest.raises(WriterFailed, match="stumbled"):
                await writing.lyric()


async def test_a_lyric_that_was_given_up_waits_for_nothing() -> None:
    async with open_engine(FakeModel(endless=True)) as engine:
        with engine.begin(HERE, Wish()) as writing:
            assert not writing.ended
        assert writing.ended
        assert [line async for line in writing] == []
        with pytest.raises(WriterFailed, match="given up"):
            await writing.lyric()


# --- many at once -----------------------------------------------------------------------------


async def test_songs_join_and_leave_the_batch_at_every_step() -> None:
    model = FakeModel(places=2, holds=True)
    async with open_engine(model) as engine:
        long = asyncio.create_task(engine.write(HERE, Wish("long", lines=12)))
        await until(model.begun)
        short = [
            asyncio.create_task(engine.write(HERE, Wish(f"short {n}", lines=4))) for n in range(3)
        ]
        await asyncio.sleep(0)  # lets all ask
        model.let_go.set()
        await asyncio.gather(long, *short)
    assert seeds(model) == ["long", "short 0", "short 1", "short 2"]
    assert model.begun_at[2] - model.begun_at[1] == 4
    assert model.begun_at[3] - model.begun_at[2] == 4


@pytest.mark.parametrize("places", [1, 4])
async def test_200_lyrics_of_one_server_delay_another_by_at_most_one_batch(places: int) -> None:
    model = FakeModel(places=places, holds=True)
    async with open_engine(model, queue_size=200) as engine:
        first = engine.begin(HERE, SHORT)
        await until(model.begun)
        many = [engine.begin(HERE, SHORT) for _ in range(199)]
        one = engine.begin(THERE, Wish("one", lines=4))
        asked_at = 1  # the step that is being held
        model.let_go.set()
        await asyncio.gather(*(each.lyric() for each in (one, first, *many)))
    assert len(model.asked) == 201
    assert model.begun_at[seeds(model).index("one")] <= asked_at + SHORT.lines


async def test_a_full_queue_refuses_the_next_of_its_space_and_keeps_all_others() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model, queue_size=2) as engine:
        first = engine.begin(HERE, Wish("one"))
        await until(model.begun)
        waiting = [engine.begin(HERE, Wish(seed)) for seed in ("two", "three")]
        with pytest.raises(Busy, match="2 lyrics are waiting"):
            await engine.write(HERE, Wish("four"))
        waiting.append(engine.begin(THERE, Wish("five")))
        model.let_go.set()
        await asyncio.gather(*(each.lyric() for each in (first, *waiting)))
    assert seeds(model) == ["one", "five", "two", "three"]


async def test_a_turn_that_does_not_come_in_time_is_a_failure_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = FakeModel(holds=True)
    async with open_engine(model) as engine:
        first = engine.begin(HERE, Wish("one"))
        await until(model.begun)
        monkeypatch.setattr(engine_module, "WAITING_SECONDS", 0.0)
        with pytest.raises(WriterFailed, match="turn did not come"):
            await engine.write(THERE, Wish("two"))
        model.let_go.set()
        await first.lyric()
    assert seeds(model) == ["one"]


# --- given up ---------------------------------------------------------------------------------


async def test_whoever_stops_waiting_frees_the_places_of_a_lyric_at_once() -> None:
    model = FakeModel(endless=True)
    async with open_engine(model) as engine:
        writing = asyncio.create_task(engine.write(HERE, Wish("one")))
        await until(model.begun)
        model.endless = False
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await engine.write(HERE, Wish("two"))).text.startswith("two")


async def test_a_request_that_nobody_waits_for_any_more_leaves_the_queue_at_once() -> None:
    model = FakeModel(holds=True)
    async with open_engine(model, queue_size=1) as engine:
        first = engine.begin(HERE, Wish("one"))
        await until(model.begun)
        second = asyncio.create_task(engine.write(HERE, Wish("two")))
        await asyncio.sleep(0)  # lets it ask
        second.cancel()
        await asyncio.sleep(0)  # lets it go
        third = engine.begin(HERE, Wish("three"))
        model.let_go.set()
        await asyncio.gather(first.lyric(), third.lyric())
    assert seeds(model) == ["one", "three"]


# --- crashes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["has_room", "join", "step"])
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), MemoryError(), SystemExit(1)])
async def test_a_crash_of_the_model_fails_that_request_and_not_the_next(
    method: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel(breaks_with=error, breaks_in=method)
    async with open_engine(model) as engine:
        with pytest.raises(WriterFailed, match="try again"):
            await engine.write(HERE, Wish())
        assert (await engine.write(HERE, Wish("rain"))).text.startswith("rain")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_a_crash_fails_all_in_the_batch_and_those_that_wait_are_served() -> None:
    model = SteppedModel(places=2)
    async with open_engine(model) as engine:
        asked = [engine.begin(HERE, Wish(seed, lines=4, best_of=1)) for seed in "abcd"]
        model.permits.release(2)  # the second song joins before the first step or after it
        assert await anext(asked[1]) == "b"
        model.breaks_with = ZeroDivisionError()
        model.permits.release(100)
        ends = await asyncio.gather(*(each.lyric() for each in asked), return_exceptions=True)
    assert [isinstance(end, WriterFailed) for end in ends] == [True, True, False, False]
    assert ends[0] is not ends[1]  # two people raise it
    assert seeds(model) == ["a", "b", "c", "d"]


async def test_a_model_that_makes_no_batch_any_more_is_loaded_anew() -> None:
    old, new = FakeModel("old"), FakeModel("new")
    models = iter([old, new])
    async with open_engine(lambda: next(models)) as engine:
        await break_twice(engine, old)
        assert (await engine.write(HERE, Wish())).model == "new"
        assert engine.version == "new"


async def test_nobody_waits_for_a_model_that_cannot_be_loaded_anew() -> None:
    model = FakeModel()
    models = iter([model])
    async with open_engine(lambda: next(models)) as engine:
        await break_twice(engine, model)
        with pytest.raises(WriterFailed, match="stumbled"):
            await engine.write(HERE, Wish())
        assert (await engine.write(HERE, Wish("rain"))).text.startswith("rain")


async def break_twice(engine: Engine, model: FakeModel) -> None:
    """Break a step, and the batch that comes after it."""
    model.breaks_with, model.breaks_in = ZeroDivisionError(), "step"
    with pytest.raises(WriterFailed, match="stumbled"):
        await engine.write(HERE, Wish())
    model.breaks_with, model.breaks_in = MemoryError(), "batch"


# --- new weights ------------------------------------------------------------------------------


class Folder:
    """A folder whose weights a test replaces."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.breaks_with: BaseException | None = None
        self.read = threading.Event()

    def load(self) -> FakeModel:
        self.read.set()
        if self.breaks_with is not None:
            raise self.breaks_with
        return self.model

    def stamp(self) -> object:
        return self.model.version


async def test_new_weights_write_new_songs_and_the_old_ones_end_what_they_began() -> None:
    old, new = SteppedModel("old", genres=("rap",)), FakeModel("new", genres=("blues",))
    folder = Folder(old)
    async with open_engine(folder.load, stamp=folder.stamp) as engine:
        in_progress = engine.begin(HERE, SHORT)
        await until(old.begun)
        folder.model = new
        later = engine.begin(HERE, SHORT)
        old.permits.release(2)
        assert await anext(later)
        assert (engine.version, engine.genres) == ("new", ("blues",))
        assert not in_progress.ended
        old.permits.release(2)
        assert (await in_progress.lyric()).model == "old"
        assert (await later.lyric()).model == "new"


async def test_new_weights_are_noticed_while_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.0)
    folder = Folder(FakeModel("old"))
    async with open_engine(folder.load, stamp=folder.stamp) as engine:
        folder.read.clear()
        folder.model = FakeModel("new")
        await until(folder.read)
    assert engine.version == "new"  # its thread has ended, so it is through with the loading


@pytest.mark.parametrize("error", [WeightsError("They are damaged."), SystemExit(1)])
async def test_new_weights_that_cannot_be_loaded_are_logged_once_and_the_old_ones_go_on(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Folder(FakeModel("old"))
    async with open_engine(folder.load, stamp=folder.stamp) as engine:
        folder.model, folder.breaks_with = FakeModel("new"), error
        assert [(await engine.write(HERE, Wish())).model for _ in range(2)] == ["old", "old"]
        assert engine.version == "old"
        folder.model, folder.breaks_with = FakeModel("newer"), None
        assert (await engine.write(HERE, Wish())).model == "newer"
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is error


# --- start and end ----------------------------------------------------------------------------


async def test_closing_stops_the_lyrics_being_written_and_fails_those_that_wait() -> None:
    model = FakeModel(endless=True)
    async with open_engine(model) as engine:
        requests = [asyncio.create_task(engine.write(HERE, Wish())) for _ in range(3)]
        await until(model.begun)
        await engine.close()
        for request in requests:
            with pytest.raises(WriterFailed, match="stopping"):
                await request
        with pytest.raises(WriterFailed, match="stopping"):
            await engine.write(HERE, Wish())
    assert len(model.asked) == 1


async def test_nobody_waits_for_a_model_that_hangs_when_the_engine_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "CLOSING_SECONDS", 0.0)
    model = FakeModel(holds=True)
    async with open_engine(model) as engine:
        writing = engine.begin(HERE, Wish())
        await until(model.begun)
        await engine.close()
        with pytest.raises(WriterFailed, match="stopping"):
            await writing.lyric()
    model.let_go.set()


async def test_a_start_ends_when_the_engine_closes_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "CLOSING_SECONDS", 0.0)
    begun, let_go = threading.Event(), threading.Event()

    def load_slowly() -> FakeModel:
        begun.set()
        let_go.wait(PATIENCE)
        return FakeModel()

    engine = Engine(load_slowly, stamp=str, queue_size=1, writing_seconds=PATIENCE)
    starting = asyncio.create_task(engine.start())
    await until(begun)
    await engine.close()
    with pytest.raises(WriterFailed, match="stopping"):
        await starting
    let_go.set()


async def test_weights_that_cannot_be_loaded_fail_the_start(tmp_path: Path) -> None:
    engine = Engine(
        lambda: load(tmp_path / "none"), stamp=str, queue_size=1, writing_seconds=PATIENCE
    )
    with pytest.raises(WeightsError):
        await engine.start()
    with pytest.raises(WriterFailed, match="stopping"):
        await engine.write(HERE, Wish())
    await engine.close()


async def test_a_crash_while_loading_fails_the_start_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load_broken() -> FakeModel:
        raise MemoryError

    engine = Engine(load_broken, stamp=str, queue_size=1, writing_seconds=PATIENCE)
    with caplog.at_level(logging.ERROR), pytest.raises(WriterFailed, match="could not be loaded"):
        await engine.start()
    await engine.close()
