"""The writer service: what is written is stored, what is rated counts once a person."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.database import Database
from bot.errors import Busy, DatabaseError, UnknownLyric, WriterFailed
from bot.service import Origin, WriterService, open_service
from bot.settings import Settings
from model import DEFAULT_LINES, RequestError, WeightsError, Wish
from tests.bot.fakes import PATIENCE, FakeModel, open_fake_service, url_of

ANN = Origin("guild:1", 11)
BOB = Origin("guild:1", 12)
ELSEWHERE = Origin("guild:2", 11)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "songs.db"


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def service(file: Path, model: FakeModel) -> AsyncIterator[WriterService]:
    async with open_fake_service(file, model) as service:
        yield service


def rows(file: Path, query: str) -> list[Any]:
    """What another program reads in the file at this moment."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


async def test_a_lyric_is_stored_with_all_that_it_takes_to_write_it_again(
    service: WriterService, file: Path
) -> None:
    before = datetime.now(UTC)
    record = await service.write(ANN, Wish("rain", "rap", "Roads", lines=4), random_seed=7)
    assert (record.seed, record.genre, record.title) == ("rain", "rap", "Roads")
    assert (record.model, record.random_seed) == ("fake-00c0ffee", 7)
    assert record.code == "fake-00c0ffee:7"
    assert record.text.startswith("rain\n")
    assert (record.ups, record.downs) == (0, 0)
    assert before <= record.created_at <= datetime.now(UTC)
    assert await service.get(ANN, record.id) == record
    assert rows(file, "SELECT space, user_id, parent_id FROM lyrics") == [("guild:1", 11, None)]


async def test_without_a_wish_the_defaults_are_written(
    service: WriterService, model: FakeModel
) -> None:
    record = await service.write(ANN, Wish())
    assert record.seed is None
    assert model.asked == [Wish(lines=DEFAULT_LINES)]


async def test_a_wish_is_cleaned_before_the_model_sees_it(
    service: WriterService, model: FakeModel
) -> None:
    record = await service.write(ANN, Wish("  rain\u200b on \n the road ", "RAP"))
    assert (record.seed, record.genre) == ("rain on the road", "rap")
    assert model.asked == [Wish("rain on the road", "rap")]


@pytest.mark.parametrize(
    "wish",
    [Wish(""), Wish("\u200b\u202e"), Wish("a" * 10_000), Wish(genre="polka"), Wish(lines=1000)],
)
async def test_a_wish_that_cannot_be_met_is_refused_and_nothing_is_stored(
    service: WriterService, model: FakeModel, file: Path, wish: Wish
) -> None:
    with pytest.raises(RequestError):
        await service.write(ANN, wish)
    assert model.asked == []
    assert rows(file, "SELECT * FROM lyrics") == []


async def test_a_seed_that_looks_like_sql_is_only_text(service: WriterService, file: Path) -> None:
    seed = "'); DROP TABLE lyrics; --"
    assert (await service.write(ANN, Wish(seed))).seed == seed
    assert rows(file, "SELECT seed FROM lyrics") == [(seed,)]


async def test_nothing_is_stored_when_the_model_breaks(
    service: WriterService, model: FakeModel, file: Path
) -> None:
    model.breaks_with = ZeroDivisionError()
    with pytest.raises(WriterFailed):
        await service.write(ANN, Wish())
    assert rows(file, "SELECT * FROM lyrics") == []


async def test_another_take_has_the_same_wish_a_new_random_seed_and_knows_its_parent(
    service: WriterService, model: FakeModel, file: Path
) -> None:
    wish = Wish("rain", "rap", "Roads", lines=5, temperature=0.5, top_p=0.75)
    first = await service.write(ANN, wish, random_seed=7)
    second = await service.another(BOB, first.id)
    assert model.asked == [wish, wish]
    assert second.id != first.id
    assert second.random_seed != 7
    assert rows(file, f"SELECT user_id, parent_id FROM lyrics WHERE id = {second.id}") == [
        (BOB.user_id, first.id)
    ]


EVERY_OPTION = Wish(
    seed="rain on the road",
    genre="rap",
    title="Roads",
    lines=6,
    temperature=0.5,
    top_p=0.75,
    top_k=40,
    min_p=0.05,
    repetition_penalty=1.2,
    no_repeat_ngram_size=3,
    bad_words="love, heart",
    keyword="lantern",
    rhyme="ABAB",
    structure="verse-chorus-verse",
    section_lines=2,
    syllables="6-10",
    best_of=3,
    max_run=6,
    guidance_scale=1.5,
)


async def test_another_take_keeps_every_option(service: WriterService, model: FakeModel) -> None:
    same = [n.name for n in fields(Wish) if getattr(EVERY_OPTION, n.name) == n.default]
    assert same == ["word_filter"]  # it is the place's
    first = await service.write(ANN, EVERY_OPTION)
    await service.another(ANN, first.id)
    assert model.asked == [EVERY_OPTION, EVERY_OPTION]


async def test_a_lyric_of_another_version_has_another_take_of_the_options_that_both_know(
    service: WriterService, model: FakeModel, file: Path
) -> None:
    lyric = await service.write(ANN, Wish("rain"))
    options = json.dumps({"lines": 5, "temperature": 0.5, "top_p": 0.75, "mood": "blue"})
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE lyrics SET options = ?", (options,))
    await service.another(ANN, lyric.id)
    assert model.asked[-1] == Wish("rain", lines=5, temperature=0.5, top_p=0.75)


async def test_a_code_writes_its_lyric_again_and_that_is_stored_as_well(
    service: WriterService, file: Path
) -> None:
    first = await service.write(ANN, EVERY_OPTION)
    again = await service.rewrite(ELSEWHERE, first.code)
    assert (again.text, again.code, again.seed) == (first.text, first.code, first.seed)
    assert again.id != first.id
    assert await service.get(ELSEWHERE, again.id) == again
    assert rows(file, "SELECT space, parent_id FROM lyrics") == [
        ("guild:1", None),
        ("guild:2", None),
    ]


async def test_what_is_no_code_is_refused_and_nothing_is_stored(
    service: WriterService, file: Path
) -> None:
    with pytest.raises(RequestError, match="code"):
        await service.rewrite(ANN, "k3f9")
    assert rows(file, "SELECT * FROM lyrics") == []


async def test_the_longest_run_is_stored_and_the_notes_are_told_once(
    service: WriterService, model: FakeModel
) -> None:
    model.longest_run, model.notes = 5, ("There was no place for lantern.",)
    record = await service.write(ANN, Wish())
    assert (record.longest_run, record.notes) == (5, model.notes)
    assert await service.get(ANN, record.id) == replace(record, notes=())


@pytest.mark.parametrize(
    ("longest_run", "words"), [(None, "None"), (0, "learned: under 5"), (6, "learned: 6")]
)
async def test_the_longest_run_is_told_in_words_where_it_is_known(
    service: WriterService, model: FakeModel, longest_run: int | None, words: str
) -> None:
    model.longest_run = longest_run
    assert str((await service.write(ANN, Wish())).run_in_words).endswith(words)


async def test_the_word_filter_is_each_places_own_and_on_until_it_is_switched_off(
    service: WriterService, model: FakeModel
) -> None:
    await service.set_word_filter(ANN, False)
    first = await service.write(ANN, Wish())
    await service.write(ELSEWHERE, Wish(word_filter=False))
    assert [wish.word_filter for wish in model.asked] == [False, True]
    assert not await service.word_filter(BOB)
    await service.set_word_filter(BOB, True)
    await service.another(ANN, first.id)
    assert model.asked[-1].word_filter
    assert await service.word_filter(ANN)


async def test_the_word_filter_outlives_a_restart(file: Path) -> None:
    async with open_fake_service(file) as service:
        await service.set_word_filter(ANN, False)
    async with open_fake_service(file) as service:
        assert not await service.word_filter(ANN)


async def test_a_code_cannot_switch_the_word_filter_off(service: WriterService, file: Path) -> None:
    await service.set_word_filter(ANN, False)
    lyric = await service.write(ANN, Wish())
    assert (await service.rewrite(BOB, lyric.code)).text == lyric.text
    with pytest.raises(RequestError, match="without the word filter"):
        await service.rewrite(ELSEWHERE, lyric.code)
    assert rows(file, "SELECT COUNT(*) FROM lyrics WHERE space = 'guild:2'") == [(0,)]


async def test_a_filter_switched_on_while_a_lyric_is_written_again_holds_for_it(
    service: WriterService, model: FakeModel
) -> None:
    await service.set_word_filter(ANN, False)
    lyric = await service.write(ANN, Wish())
    model.holds = True
    again = asyncio.create_task(service.rewrite(ANN, lyric.code))
    model.begun.clear()
    assert await asyncio.to_thread(model.begun.wait, PATIENCE)
    await service.set_word_filter(ANN, True)
    model.let_go.set()
    with pytest.raises(RequestError, match="without the word filter"):
        await again


async def test_another_take_of_a_genre_that_the_model_lost_is_refused_in_words(
    service: WriterService, model: FakeModel
) -> None:
    record = await service.write(ANN, Wish(genre="rap"))
    model.genres = ("country",)
    with pytest.raises(RequestError, match="genre"):
        await service.another(ANN, record.id)


async def test_votes_are_counted_up_and_down(service: WriterService) -> None:
    lyric = await service.write(ANN, Wish())
    await service.rate(ANN, lyric.id, 1)
    record = await service.rate(BOB, lyric.id, -1)
    assert (record.ups, record.downs) == (1, 1)
    assert await service.get(ANN, lyric.id) == record


async def test_the_same_vote_again_counts_once(service: WriterService) -> None:
    lyric = await service.write(ANN, Wish())
    await service.rate(ANN, lyric.id, 1)
    record = await service.rate(ANN, lyric.id, 1)
    assert (record.ups, record.downs) == (1, 0)


async def test_a_second_rating_by_the_same_person_replaces_the_first(
    service: WriterService, file: Path
) -> None:
    lyric = await service.write(ANN, Wish())
    await service.rate(ANN, lyric.id, 1)
    record = await service.rate(ANN, lyric.id, -1)
    assert (record.ups, record.downs) == (0, 1)
    ((created, updated),) = rows(file, "SELECT created_at, updated_at FROM ratings")
    assert created < updated


async def test_a_rating_is_in_the_file_when_it_is_acknowledged(
    service: WriterService, file: Path
) -> None:
    lyric = await service.write(ANN, Wish())
    await service.rate(BOB, lyric.id, 1)
    assert rows(file, "SELECT lyric_id, user_id, value FROM ratings") == [(lyric.id, 12, 1)]


async def test_many_who_rate_at_once_are_all_counted(service: WriterService) -> None:
    lyric = await service.write(ANN, Wish())
    people = [Origin(ANN.space, user_id) for user_id in range(1, 31)]
    await asyncio.gather(
        *(service.rate(each, lyric.id, 1 if each.user_id % 3 else -1) for each in people)
    )
    record = await service.get(ANN, lyric.id)
    assert (record.ups, record.downs) == (20, 10)


async def test_one_person_who_rates_through_two_processes_at_once_is_counted_once(
    file: Path,
) -> None:
    async with open_fake_service(file) as one, open_fake_service(file) as other:
        lyric = await one.write(ANN, Wish())
        votes = [each.rate(ANN, lyric.id, 1) for each in (one, other) * 10]
        records = await asyncio.gather(*votes)
    assert {(record.ups, record.downs) for record in records} == {(1, 0)}


async def test_last_is_the_newest_lyric_of_this_person_in_this_space(
    service: WriterService,
) -> None:
    await service.write(ANN, Wish("older"))
    mine = await service.write(ANN, Wish("newer"))
    await service.write(BOB, Wish("not mine"))
    await service.write(ELSEWHERE, Wish("not here"))
    assert (await service.rate(ANN, "last", 1)).id == mine.id
    assert (await service.get(ANN, "last")).id == mine.id
    assert (await service.another(ANN, "last")).seed == "newer"


async def test_who_has_written_nothing_has_no_last_lyric(service: WriterService) -> None:
    await service.write(BOB, Wish())
    with pytest.raises(UnknownLyric, match="no lyric here yet"):
        await service.rate(ANN, "last", 1)


@pytest.mark.parametrize("lyric_id", [0, -1, 99, 2**63 - 1, 2**63, 10**100])
async def test_a_number_that_no_lyric_has_is_unknown(service: WriterService, lyric_id: int) -> None:
    await service.write(ANN, Wish())
    for asked in (
        service.get(ANN, lyric_id),
        service.another(ANN, lyric_id),
        service.rate(ANN, lyric_id, 1),
    ):
        with pytest.raises(UnknownLyric, match="no lyric with that number"):
            await asked


async def test_a_lyric_of_another_space_can_be_neither_seen_nor_rated(
    service: WriterService, file: Path
) -> None:
    lyric = await service.write(ANN, Wish())
    for asked in (
        service.get(ELSEWHERE, lyric.id),
        service.another(ELSEWHERE, lyric.id),
        service.rate(ELSEWHERE, lyric.id, -1),
    ):
        with pytest.raises(UnknownLyric):
            await asked
    assert rows(file, "SELECT * FROM ratings") == []


async def test_a_number_is_never_given_twice(service: WriterService, file: Path) -> None:
    deleted = await service.write(ANN, Wish())
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM lyrics")
    assert (await service.write(ANN, Wish())).id > deleted.id


async def test_the_top_is_sorted_by_the_balance_of_votes_and_then_the_newest_first(
    service: WriterService,
) -> None:
    disliked, older, newer, best, _unrated = [
        await service.write(ANN, Wish(seed))
        for seed in ("disliked", "older", "newer", "best", "unrated")
    ]
    await service.rate(ANN, disliked.id, -1)
    await service.rate(ANN, newer.id, 1)
    await service.rate(ANN, older.id, 1)
    await service.rate(ANN, best.id, 1)
    await service.rate(BOB, best.id, 1)
    seeds = [record.seed for record in await service.top(ANN)]
    assert seeds == ["best", "newer", "older", "disliked"]
    assert [record.seed for record in await service.top(ANN, limit=1)] == ["best"]


async def test_the_top_leaves_out_what_was_written_without_the_word_filter_while_that_is_on(
    service: WriterService, file: Path
) -> None:
    ids = []
    for filtered in (True, False, True):
        await service.set_word_filter(ANN, filtered)
        ids.append((await service.write(ANN, Wish())).id)
        await service.rate(ANN, ids[-1], 1)
    with closing(sqlite3.connect(file)) as connection, connection:  # as of an earlier version
        connection.execute("UPDATE lyrics SET options = '{}' WHERE id = ?", ids[:1])
    assert [record.id for record in await service.top(ANN)] == [ids[2], ids[0]]
    await service.set_word_filter(ANN, False)
    assert [record.id for record in await service.top(ANN)] == ids[::-1]


async def test_the_top_has_only_lyrics_of_its_space(service: WriterService) -> None:
    lyric = await service.write(ANN, Wish())
    await service.rate(ANN, lyric.id, 1)
    assert await service.top(ELSEWHERE) == []


async def test_about_tells_the_model_and_counts_what_is_stored(service: WriterService) -> None:
    lyric = await service.write(ANN, Wish())
    await service.write(ELSEWHERE, Wish())
    await service.rate(ANN, lyric.id, 1)
    about = await service.about()
    assert (about.model, about.parameters) == ("fake-00c0ffee", 1234)
    assert about.genres == ("country", "rap") == service.genres
    assert (about.lyrics, about.ratings) == (2, 1)


async def test_what_is_remembered_outlives_the_process(file: Path) -> None:
    async with open_fake_service(file) as service:
        assert await service.recall("commands") is None
        await service.remember("commands", "old")
        await service.remember("commands", "new")
    async with open_fake_service(file) as service:
        assert await service.recall("commands") == "new"


async def test_training_sees_rated_lyrics_and_the_weight_of_their_votes(
    service: WriterService, file: Path
) -> None:
    liked = await service.write(ANN, Wish("liked", "rap", "Roads"))
    mixed = await service.write(ANN, Wish("mixed"))
    await service.write(ANN, Wish("unrated"))
    await service.rate(ANN, liked.id, 1)
    await service.rate(ANN, mixed.id, 1)
    await service.rate(BOB, mixed.id, -1)
    assert rows(file, "SELECT * FROM training_examples ORDER BY lyric_id") == [
        (liked.id, "fake-00c0ffee", "rap", "Roads", "liked", liked.text, 1.0, 0.0),
        (mixed.id, "fake-00c0ffee", None, None, "mixed", mixed.text, 1.0, 1.0),
    ]


async def test_beyond_20_votes_all_votes_of_a_person_together_weigh_20(
    service: WriterService, file: Path
) -> None:
    lyrics = [await service.write(ANN, Wish()) for _ in range(40)]
    for lyric in lyrics:
        await service.rate(ANN, lyric.id, 1)
    await service.rate(BOB, lyrics[0].id, -1)
    examples = rows(file, "SELECT liked, disliked FROM training_examples ORDER BY lyric_id")
    assert examples == [(0.5, 1.0)] + [(0.5, 0.0)] * 39


async def test_a_full_queue_is_told_to_whoever_comes_next(file: Path) -> None:
    model = FakeModel(holds=True)
    async with open_fake_service(file, model) as service:
        requests = [asyncio.create_task(service.write(ANN, Wish())) for _ in range(10)]
        done, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_EXCEPTION)
        assert isinstance(done.pop().exception(), Busy)
        model.let_go.set()
        await asyncio.gather(*requests, return_exceptions=True)
        assert (await service.about()).lyrics in {8, 9}  # one may have left the queue in time


async def test_a_failing_database_fails_the_request_and_not_the_service(
    service: WriterService, file: Path
) -> None:
    lyric = await service.write(ANN, Wish())
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE ratings RENAME TO hidden")
    with pytest.raises(DatabaseError):
        await service.rate(ANN, lyric.id, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE hidden RENAME TO ratings")
    assert (await service.rate(ANN, lyric.id, 1)).ups == 1


async def test_the_service_opens_over_a_real_model(tmp_path: Path, tiny_weights: Path) -> None:
    settings = Settings(database_url=url_of(tmp_path / "new" / "songs.db"), weights=tiny_weights)
    async with open_service(settings) as service:
        record = await service.write(ANN, Wish("rain on the road", lines=4))
        again = await service.rewrite(ANN, record.code.upper())
        assert (again.text, again.code) == (record.text, record.code)
    assert record.text.startswith("rain on the road")
    assert record.model.startswith(tiny_weights.name)


async def test_opening_without_weights_fails_in_words_and_closes_the_database(
    tmp_path: Path,
) -> None:
    file = tmp_path / "songs.db"
    settings = Settings(database_url=url_of(file), weights=tmp_path / "none")
    with pytest.raises(WeightsError):
        async with open_service(settings):
            pass
    await (await Database.open(url_of(file))).close()
    assert not file.with_name("songs.db-wal").exists()
