"""What holds for the repository as a whole: who imports whom, what is declared, what is shipped."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from safetensors import safe_open

from bot.errors import SettingsError
from bot.settings import Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOADED_BY_URL = {"aiosqlite"}  # SQLAlchemy imports it for sqlite+aiosqlite:// addresses


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def normal(distribution: str) -> str:
    """A distribution's name as package indexes compare it: SQLAlchemy[asyncio]>=2 is sqlalchemy."""
    bare = re.match(r"[\w.-]+", distribution)
    assert bare is not None, distribution
    return re.sub(r"[-_.]+", "-", bare.group()).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(requirement) for requirement in requirements}


def imports(folder: str) -> Iterator[tuple[Path, str]]:
    """Each (file, dotted module) that the Python files under a folder import, anywhere in them."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield file, node.module


def pins(lock: str) -> set[str]:
    """The `name==version ; when` parts of a lock file."""
    return set(re.findall(r"^(\S+==.*?) \\$", text(lock), re.MULTILINE))


# --- who imports whom ------------------------------------------------------------------------


def test_the_model_does_not_know_the_bot() -> None:
    foreign = {"bot", "discord", "sqlalchemy", "aiosqlite", "alembic", "asyncio", "prompt_toolkit"}

    found = [(file.name, name) for file, name in imports("model") if name.split(".")[0] in foreign]

    assert found == []


def test_the_bot_uses_only_the_public_face_of_the_model() -> None:
    found = [(file.name, name) for file, name in imports("bot") if name.startswith("model.")]

    assert found == []


def test_nothing_unpickles() -> None:
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

    found = [(file, name) for part in ("bot", "model") for file, name in imports(part)]

    assert [pair for pair in found if pair[1].split(".")[0] in loaders] == []


# --- what is declared ------------------------------------------------------------------------


def test_every_library_that_is_imported_is_declared_and_every_declared_one_imported() -> None:
    of_module = packages_distributions()
    used = {name.split(".")[0] for part in ("bot", "model") for _, name in imports(part)}
    libraries = used - set(sys.stdlib_module_names) - {"bot", "model"}

    imported = names([of_module[module][0] for module in libraries])

    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = PROJECT["project"]["dependencies"] + [name for extra in extras for name in extra]
    assert imported | LOADED_BY_URL == names(declared)


def test_the_readme_says_why_each_library_is_there() -> None:
    table = text("README.md").split("## Why each library")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)[1:]

    explained = {normal(name) for row in rows for name in row.split(", ")}

    declared = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert explained == names(declared)


def test_the_lock_files_hold_every_declared_library() -> None:
    runtime, development = pins("requirements.lock"), pins("requirements-dev.lock")

    assert names(PROJECT["project"]["dependencies"]) <= names(list(runtime))
    assert names(PROJECT["dependency-groups"]["dev"]) <= names(list(development))


def test_the_tests_run_with_the_versions_that_the_program_gets() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_names_no_place_to_download_from(lock: str) -> None:
    assert not re.search(r"://|--index|--find-links|^-", text(lock), re.MULTILINE)


def test_the_changelog_has_a_heading_for_this_version() -> None:
    assert f"## [{PROJECT['project']['version']}]" in text("CHANGELOG.md")


def explained_settings() -> list[str]:
    return re.findall(r"^([A-Z_]+)=", text(".env.example"), re.MULTILINE)


@pytest.fixture
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in explained_settings():
        monkeypatch.delenv(name, raising=False)


def test_every_setting_is_explained_in_the_example() -> None:
    assert explained_settings() == [field.name.upper() for field in fields(Settings)]


@pytest.mark.usefixtures("without_settings")
def test_the_example_shows_the_defaults() -> None:
    assert Settings.from_environment(ROOT / ".env.example") == Settings()


@pytest.mark.usefixtures("without_settings")
@pytest.mark.parametrize("name", explained_settings())
def test_every_setting_in_the_example_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{name}=?")

    try:
        changed = Settings.from_environment(tmp_path / ".env") != Settings()
    except SettingsError as refusal:
        changed = name in str(refusal)

    assert changed


# --- what is shipped -------------------------------------------------------------------------


def test_the_default_weights_hold_data_only() -> None:
    files = [file for file in (ROOT / "weights/default").rglob("*") if file.is_file()]

    assert ROOT / "weights/default/model.safetensors" in files
    for file in files:
        match file.suffix:
            case ".safetensors":
                with safe_open(file, "numpy") as tensors:  # refuses anything else
                    assert tensors.keys()
            case ".json":
                json.loads(file.read_text(encoding="utf-8"))
            case ".jsonl" | ".md" | ".toml":
                file.read_text(encoding="utf-8")
            case ".png":
                assert file.read_bytes().startswith(b"\x89PNG")
            case other:
                pytest.fail(f"{file} is of a kind ({other}) that weights do not need")


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git what it would ignore")
@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (".env", True),
        ("data/ghostwriter.db", True),
        ("weights/mine/model.safetensors", True),
        ("weights/default/last.safetensors", True),
        ("weights/default/model.safetensors", False),
        (".env.example", False),
    ],
)
def test_git_ignores_what_is_private_and_keeps_what_is_shipped(
    tmp_path: Path, path: str, ignored: bool
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)

    asked = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False)

    assert (asked.returncode == 0) == ignored


def test_the_image_keeps_the_database_in_a_volume() -> None:
    (folder,) = re.findall(r"^VOLUME (.+)$", text("Dockerfile"), re.MULTILINE)

    assert folder == "/app/data"
    assert f"- data:{folder}" in text("docker-compose.yml")
    assert Path("/app", Settings().database_file).parent == Path(folder)


def test_what_the_image_copies_exists_and_reaches_the_builder() -> None:
    copied = re.findall(r"^COPY (\S+) ", text("Dockerfile"), re.MULTILINE)
    sent = re.findall(r"^!(\S+)$", text(".dockerignore"), re.MULTILINE)

    assert set(copied) == set(sent)
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_continuous_integration_runs_make_test_and_nothing_else() -> None:
    lines = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]

    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert lines[0] == "set -euo pipefail"
    assert lines[1].startswith("cd ")
    assert lines[2:] == ["exec make test"]
