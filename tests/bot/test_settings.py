"""Settings come from the environment and from .env, and a wrong one is refused in words."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import TOKEN_PAGE, Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for setting in fields(Settings):
        monkeypatch.delenv(setting.name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_the_defaults_hold() -> None:
    assert Settings.from_environment() == Settings()


def test_settings_are_read_from_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "DISCORD_TOKEN=one.two.three\n"
        "DATABASE_URL=sqlite+aiosqlite:////srv/songs.db\n"
        "WEIGHTS=weights/mine\n"
        "QUEUE_SIZE=4\n"
        "WRITING_SECONDS=7.5\n"
        "LOG_LEVEL=debug\n"
    )
    assert Settings.from_environment() == Settings(
        discord_token="one.two.three",
        database_url="sqlite+aiosqlite:////srv/songs.db",
        weights=Path("weights/mine"),
        queue_size=4,
        writing_seconds=7.5,
        log_level="DEBUG",
    )


def test_the_environment_wins_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("QUEUE_SIZE=4\nDISCORD_TOKEN=one.two.three\n")
    monkeypatch.setenv("QUEUE_SIZE", "5")
    monkeypatch.setenv("DISCORD_TOKEN", "")
    settings = Settings.from_environment()
    assert settings.queue_size == 5
    assert settings.discord_token is None


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in fields(Settings):
        monkeypatch.setenv(setting.name.upper(), "  ")
    assert Settings.from_environment() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql+asyncpg://me:secret@host/songs"),
        ("DATABASE_URL", "sqlite:///songs.db"),
        ("DATABASE_URL", "sqlite+aiosqlite://"),
        ("DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
        ("DATABASE_URL", "sqlite+aiosqlite:///file:songs?mode=memory&uri=true"),
        ("DATABASE_URL", "sqlite+aiosqlite://data/songs.db"),
        ("DATABASE_URL", "songs.db"),
        ("DATABASE_URL", "sqlite+aiosqlite://host:port/songs.db"),
        ("QUEUE_SIZE", "0"),
        ("QUEUE_SIZE", "many"),
        ("QUEUE_SIZE", "1.5"),
        ("WRITING_SECONDS", "0"),
        ("WRITING_SECONDS", "-1"),
        ("WRITING_SECONDS", "nan"),
        ("WRITING_SECONDS", "inf"),
        ("WRITING_SECONDS", "soon"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} must") as refusal:
        Settings.from_environment()
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"WEIGHTS=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        Settings.from_environment()


@pytest.mark.parametrize(
    "token", ["wrong", "a.b", "a.b.c.d", "a..c", "Bot a.b.c", "a.b.c\nd", "é.b.c"]
)
def test_what_cannot_be_a_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings(discord_token=token).check_token()
    assert "DISCORD_TOKEN" in str(refusal.value)
    assert TOKEN_PAGE in str(refusal.value)
    assert token not in str(refusal.value)


def test_a_token_of_three_parts_passes() -> None:
    Settings(discord_token="MTk4NjIyNDgzNDcx.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs").check_token()


def test_a_missing_token_is_refused_where_one_is_needed() -> None:
    with pytest.raises(SettingsError, match="DISCORD_TOKEN is not set"):
        Settings().check_token()


def test_the_token_does_not_show_when_settings_are_printed() -> None:
    assert "secret" not in repr(Settings(discord_token="a.secret.token"))


def test_the_database_file_is_the_one_of_the_url() -> None:
    assert Settings().database_file == Path("data/ghostwriter.db")
    assert Settings(database_url="sqlite+aiosqlite:////srv/a.db").database_file == Path("/srv/a.db")
