"""The Makefile's set-up: what is installed when, and what is printed where.

A shell script stands in for Python. It notes each `pip install` in the file `installs`, and each
new `.venv` in `venvs`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("make", "sh", "cat", "chmod", "cmp", "cp", "echo", "mkdir", "mv", "rm", "test")
PYTHON = """#!/bin/sh
case "$1 $2" in
    "--version ") echo "Python 3.12.9" ;;
    "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo made >> venvs ;;
    "-m pip")
        echo "pip speaks"
        test ! -f offline || exit 1
        for last; do :; done
        echo "$last" >> installs ;;
    "-m bot") echo "token: $DISCORD_TOKEN"; cat; test ! -f fails || exit 2 ;;
    "-m ruff") test ! -f fails || exit 1 ;;
    "-m pytest") echo "tests ran" ;;
esac
"""
BROKEN = "#!/bin/sh\necho 'no such version' >&2\nexit 127\n"


class House:
    """A folder with the Makefile and two lock files; its PATH has only the named Pythons."""

    def __init__(self, folder: Path, **pythons: str) -> None:
        self.folder = folder / "a house"
        self.path = folder / "path"
        self.folder.mkdir()
        self.path.mkdir()
        shutil.copy(ROOT / "Makefile", self.folder)
        self.write("requirements.lock", "one")
        self.write("requirements-dev.lock", "one, and the tests' own")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, f"{tool} is needed to test the Makefile"
            (self.path / tool).symlink_to(found)
        for name, script in pythons.items():
            program = self.path / name.replace("_", ".")
            program.write_text(script)
            program.chmod(0o755)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def make(
        self, *arguments: str, typed: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.path), "HOME": str(self.folder), **environment},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def noted(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, python3_12=PYTHON)


def test_make_run_prints_only_what_the_program_prints(house: House) -> None:
    ran = house.make("run", typed="/top\n", DISCORD_TOKEN="a token")

    assert ran.stdout == "token: a token\n/top\n"
    assert "pip speaks" in ran.stderr
    assert ran.returncode == 0


def test_a_second_run_installs_nothing_and_says_nothing_of_its_own(house: House) -> None:
    house.make("run")

    again = house.make("run")

    assert house.noted("installs") == ["requirements.lock"]
    assert again.stderr == ""


def test_a_lock_file_that_is_only_newer_is_not_installed_again(house: House) -> None:
    house.make("run")

    os.utime(house.folder / "requirements.lock")
    house.make("run")

    assert house.noted("installs") == ["requirements.lock"]


def test_a_changed_lock_file_is_installed_into_the_same_venv(house: House) -> None:
    house.make("run")

    house.write("requirements.lock", "two")
    house.make("run")

    assert house.noted("installs") == ["requirements.lock"] * 2
    assert house.noted("venvs") == ["made"]


def test_make_run_after_make_test_installs_nothing(house: House) -> None:
    tested = house.make("test")
    house.make("run")

    assert "tests ran" in tested.stdout
    assert house.noted("installs") == ["requirements-dev.lock"]


def test_make_test_after_make_run_adds_what_the_tests_need(house: House) -> None:
    house.make("run")
    house.make("test")

    assert house.noted("installs") == ["requirements.lock", "requirements-dev.lock"]
    assert house.noted("venvs") == ["made"]


def test_make_test_stops_at_the_first_failure(house: House) -> None:
    house.write("fails", "")

    tested = house.make("test")

    assert tested.returncode != 0
    assert "tests ran" not in tested.stdout


def test_a_set_up_that_did_not_finish_is_begun_anew(house: House) -> None:
    house.write("offline", "")
    stopped = house.make("run")
    (house.folder / "offline").unlink()

    ran = house.make("run")

    assert stopped.returncode != 0
    assert stopped.stdout == ""
    assert "Installing from requirements.lock failed" in stopped.stderr
    assert ran.returncode == 0
    assert house.noted("venvs") == ["made", "made"]


def test_a_venv_whose_python_is_gone_is_made_again(house: House) -> None:
    house.make("run")
    (house.folder / ".venv/bin/python").unlink()

    ran = house.make("run")

    assert ran.returncode == 0
    assert house.noted("venvs") == ["made", "made"]


def test_a_python_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    house = House(tmp_path, python3_13=BROKEN, python3=PYTHON)

    ran = house.make("run")

    assert ran.returncode == 0
    assert "no such version" not in ran.stderr


def test_without_a_fitting_python_one_line_says_what_to_get(tmp_path: Path) -> None:
    house = House(tmp_path, python3_13=BROKEN)

    ran = house.make("run")

    lines = [line for line in ran.stderr.splitlines() if not line.startswith("make")]
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert len(lines) == 1
    assert lines[0].startswith("Ghostwriter needs Python 3.11, 3.12 or 3.13")


def test_the_python_can_be_chosen(tmp_path: Path) -> None:
    house = House(tmp_path, python3_13=BROKEN, other=PYTHON)

    assert house.make("run", "PYTHON=other").returncode == 0


def test_a_program_that_fails_makes_make_fail(house: House) -> None:
    house.write("fails", "")

    assert house.make("run").returncode != 0


def test_make_alone_lists_every_command(house: House) -> None:
    shown = house.make().stdout

    for command in ("make run", "make test", "make lock", "make clean"):
        assert command in shown
