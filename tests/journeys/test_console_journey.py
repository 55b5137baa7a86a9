"""`python -m bot` as a person starts it: a pipe of commands, a second start, a sudden death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 120  # seconds, for a machine that is busy with something else

SEED = "rain on the road"


@pytest.fixture
def environment(tmp_path: Path, tiny_weights: Path) -> dict[str, str]:
    """A fresh machine with a tiny model: no token, and no database yet."""
    return {
        **os.environ,
        "DISCORD_TOKEN": "",
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/data/ghostwriter.db",
        "WEIGHTS": str(tiny_weights),
    }


def run_bot(
    environment: dict[str, str], *typed: str, arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def running_bot(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The bot with its pipes open, killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=environment,
    ) as bot:
        try:
            yield bot
        finally:
            bot.kill()


def say(bot: subprocess.Popen[str], *lines: str) -> None:
    """Type commands and leave the pipe open."""
    assert bot.stdin is not None
    bot.stdin.writelines(f"{line}\n" for line in lines)
    bot.stdin.flush()


def wait_for(bot: subprocess.Popen[str], opening: str) -> None:
    """Read answers up to the line that opens so."""
    assert bot.stdout is not None
    assert any(line.startswith(opening) for line in bot.stdout)


def test_a_seed_goes_in_and_a_rated_lyric_comes_out_and_is_there_at_the_next_start(
    environment: dict[str, str],
) -> None:
    first = run_bot(
        environment, f"/lyrics seed: {SEED} genre: country", "/rate last up", "/top", "/about"
    )
    assert first.returncode == 0, first.stderr
    lyric, _, rest = first.stdout.partition("\n#1 · ")
    assert lyric.startswith(SEED)
    assert len([line for line in lyric.splitlines() if line]) >= 8
    assert "Rated #1: 1 up, 0 down." in rest
    assert "1. #1 · 1 up, 0 down" in rest
    assert "Stored lyrics: 1; ratings: 1." in rest

    second = run_bot(environment, "/top")
    assert second.returncode == 0, second.stderr
    assert "1. #1 · 1 up, 0 down" in second.stdout


def test_a_rating_outlives_a_kill_right_after_its_acknowledgement(
    environment: dict[str, str],
) -> None:
    with running_bot(environment) as bot:
        say(bot, f"/lyrics seed: {SEED}", "/rate last down")
        wait_for(bot, "Rated #1")
        bot.send_signal(signal.SIGKILL)
        assert bot.wait(PATIENCE) == -signal.SIGKILL
    again = run_bot(environment, "/top")
    assert "#1 · 0 up, 1 down" in again.stdout


def test_a_bad_command_is_answered_in_words_and_the_next_one_works(
    environment: dict[str, str],
) -> None:
    bad = ("/lyrics genre: polka", "/lyrics seed:", "/rate last up", "/lyrcs", "\x1b[31mhello")
    result = run_bot(environment, *bad, "/top")
    assert result.returncode == 0, result.stderr
    answers = result.stdout.rstrip("\n").split("\n\n")
    assert len(answers) == len(bad) + 1
    assert "\x1b" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_bytes_that_are_no_text_are_answered_too(environment: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bot"],
        input=b"/lyrics genre: \xff\xfe\n/top",
        capture_output=True,
        cwd=ROOT,
        env={**environment, "PYTHONIOENCODING": "ascii"},
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"no such genre" in result.stdout
    assert b"Nothing is rated yet" in result.stdout


def test_no_input_at_all_ends_well(environment: dict[str, str]) -> None:
    result = run_bot(environment)
    assert (result.returncode, result.stdout) == (0, "")


def test_quit_ends_the_program_while_the_pipe_is_open(environment: dict[str, str]) -> None:
    with running_bot(environment) as bot:
        say(bot, "/top", "/quit", "/top")
        assert bot.wait(PATIENCE) == 0


def test_ctrl_c_ends_a_program_that_waits_for_input(environment: dict[str, str]) -> None:
    with running_bot(environment) as bot:
        say(bot, "/top")
        wait_for(bot, "Nothing is rated yet")
        bot.send_signal(signal.SIGINT)
        assert bot.wait(PATIENCE) == 130


def test_a_reader_that_goes_away_ends_the_program_with_one_line(
    environment: dict[str, str],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "bot"],
        input=b"/top\n" * 3,
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writer)
    assert result.returncode == 2
    assert result.stderr == b"Standard output cannot be written: Broken pipe.\n"


def test_the_console_flag_wins_over_a_token(environment: dict[str, str]) -> None:
    environment["DISCORD_TOKEN"] = "wrong"
    assert run_bot(environment, "/top", arguments=("--console",)).returncode == 0


def test_a_wrong_token_ends_with_one_line_that_says_where_to_get_one(
    environment: dict[str, str],
) -> None:
    environment |= {"DISCORD_TOKEN": "wrong", "WEIGHTS": "there/are/none"}
    result = run_bot(environment)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert "DISCORD_TOKEN" in line
    assert "https://discord.com/developers/applications" in line
