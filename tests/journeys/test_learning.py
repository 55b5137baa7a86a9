"""From ratings back into the weights: the bot writes, members rate, `retrain` learns from it."""

import json
from pathlib import Path

import pytest

import model
from bot.service import Origin, open_service
from bot.settings import Settings
from model.cli import main
from model.corpus import Corpus, write_songs

LYRICS = 9  # of which 5 are liked: too few to hold any out


async def test_ratings_of_members_become_new_weights_that_the_bot_can_write_with(
    tiny_weights: Path,
    small_corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = tmp_path / "data" / "bot.db"
    url = f"sqlite+aiosqlite:///{database}"
    members = [Origin("guild:1", user_id) for user_id in (10, 11)]
    async with open_service(Settings(database_url=url, weights=tiny_weights)) as service:
        for random_seed in range(LYRICS):
            wish = model.Wish(seed="rain", genre="country", lines=4)
            record = await service.write(members[0], wish, random_seed=random_seed)
            for member in members:
                await service.rate(member, record.id, -1 if random_seed % 2 else 1)
    songs = tmp_path / "songs.txt"
    write_songs(small_corpus[:20], songs)
    learned = tmp_path / "learned"
    command = ["retrain", "--weights", str(tiny_weights), "--database", url]
    assert main([*command, "--corpus", str(songs), "--out", str(learned), "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["liked"] + outcome["disliked"] + outcome["held_out"] == LYRICS
    async with open_service(Settings(database_url=url, weights=learned)) as service:
        record = await service.write(members[0], model.Wish(seed="rain", lines=4), random_seed=0)
        assert record.model == model.load(learned).version != model.load(tiny_weights).version
        assert len(await service.top(members[0], limit=LYRICS)) == LYRICS


async def test_a_server_with_few_ratings_is_told_so_and_nothing_is_written(
    tiny_weights: Path,
    small_corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = tmp_path / "bot.db"
    settings = Settings(database_url=f"sqlite+aiosqlite:///{database}", weights=tiny_weights)
    async with open_service(settings) as service:
        origin = Origin("guild:1", 10)
        record = await service.write(origin, model.Wish(lines=4), random_seed=1)
        await service.rate(origin, record.id, 1)
    songs = tmp_path / "songs.txt"
    write_songs(small_corpus[:20], songs)
    command = ["retrain", "--weights", str(tiny_weights), "--database", str(database)]
    assert main([*command, "--corpus", str(songs), "--out", str(tmp_path / "learned")]) == 2
    assert "too little to learn from: 1 liked" in capsys.readouterr().err
    assert not (tmp_path / "learned").exists()
