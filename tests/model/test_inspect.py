"""`python -m model inspect`: pictures, numbers as JSON, and errors in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.cli import main
from model.corpus import Song, write_songs
from model.network import Network, NetworkConfig, initial_parameters
from model.tokenizer import CharacterTokenizer
from model.weights import Weights, save_weights

Arguments = list[str | Path]

VERSE = 'The sky was "gray"\nall day'


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "songs.txt"
    stanza = 'The sky was "gray"\n{} for half the day\nand no one knew\n\n'
    texts = [stanza.format(words) * 3 for words in ("I wait", "We sing")]
    write_songs([Song(None, "folk", text.strip()) for text in texts], path)
    return path


@pytest.fixture(scope="module")
def weights(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "small"
    tokenizer = CharacterTokenizer.train([songs.read_text(), VERSE])
    config = NetworkConfig(tokenizer.vocabulary_size, 6, 10, 2)
    network = Network(config, initial_parameters(config, np.random.default_rng(1)))
    save_weights(Weights(network, tokenizer, ("folk",)), folder, "card")
    return folder


def inspected(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """The one JSON object on standard output; the picture it names is there."""
    assert main(["inspect", *map(str, arguments), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    result: dict[str, Any] = json.loads(line)
    assert Path(result["picture"]).read_bytes().startswith(b"\x89PNG")
    return result


def test_gates_names_the_sensitive_units(
    weights: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common: Arguments = [
        "--weights",
        weights,
        "--corpus",
        songs,
        "--text",
        VERSE,
        "--units",
        "6",
    ]

    result = inspected(capsys, "gates", *common, "--out", tmp_path / "gates.png")

    assert result["layer"] == 2
    assert "".join(result["tokens"]) == VERSE
    assert len(result["shown_units"]) == 6
    assert result["songs"] >= 1
    assert result["sensitive_units"].keys() == {"line", "rhyme", "quotes"}
    for found in result["sensitive_units"].values():
        correlations = [abs(unit["correlation"]) for unit in found]
        assert correlations == sorted(correlations, reverse=True)
    occurring = {name for name, found in result["sensitive_units"].items() if found}
    assert "line" in occurring
    assert result["by_chance"].keys() == occurring
    # the picture's name may be left out
    again = inspected(capsys, *common, "--out", tmp_path / "again.png")
    assert {**again, "picture": ""} == {**result, "picture": ""}


def test_gates_prints_a_table(
    weights: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["inspect", "--weights", str(weights), "--corpus", str(songs), "--text", r"gray\nday"]

    assert main([*command, "--out", str(tmp_path / "gates.png")]) == 0

    printed = capsys.readouterr().out
    assert "position in the line" in printed
    assert "inside quotation marks" in printed


def test_gradients_trains_and_measures_both_cells(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: Arguments = ["--distance", "30", "--hidden", "8", "--steps", "2", "--texts", "4"]

    result = inspected(
        capsys, "gradients", "--corpus", songs, *sizes, "--out", tmp_path / "gradients.png"
    )

    assert result["unit"] == "characters"
    assert [(flow["cell"], flow["trained"]) for flow in result["flows"]] == [
        ("rnn", False),
        ("rnn", True),
        ("lstm", False),
        ("lstm", True),
    ]
    for flow in result["flows"]:
        assert len(flow["median_norms"]) == 31
        assert flow.keys() >= {"name", "reach", "nats_per_token"}


def test_gradients_measures_weights_that_are_given(
    weights: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: Arguments = [
        "--corpus",
        songs,
        "--distance",
        "20",
        "--texts",
        "3",
        "--out",
        tmp_path / "g.png",
    ]

    result = inspected(capsys, "gradients", "--weights", weights, "--weights", weights, *arguments)

    assert [flow["name"] for flow in result["flows"]] == ["LSTM of small"] * 4
    # options may stand before the name
    before = inspected(capsys, "--weights", weights, "gradients", *arguments)
    assert before["flows"] == result["flows"][:2]


def test_recall_tells_each_cell_and_distance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: Arguments = [
        "--hidden",
        "4",
        "--batch",
        "4",
        "--steps",
        "3",
        "--learning-rates",
        "0.01",
    ]

    result = inspected(
        capsys, "recall", "--distances", "5", "3", *sizes, "--out", tmp_path / "recall.png"
    )

    assert result["chance"] == 0.125
    assert [(r["cell"], r["distance"]) for r in result["results"]] == [
        ("rnn", 3),
        ("lstm", 3),
        ("rnn", 5),
        ("lstm", 5),
    ]
    for measured in result["results"]:
        assert 0 <= measured["accuracy"] <= 1
        assert measured.keys() >= {"learning_rate", "steps", "seconds"}


def test_wrong_inputs_end_in_one_line_and_status_2_and_leave_nothing(
    weights: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "picture.png"
    nowhere = tmp_path / "nowhere"
    (tmp_path / "file").write_text("in the way")

    def failure(*arguments: str | Path) -> str:
        assert main(["inspect", *map(str, arguments), "--out", str(out)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.strip().splitlines()
        return line

    ours: Arguments = ["--weights", weights, "--corpus", songs]
    assert "nowhere" in failure("--weights", nowhere, "--text", "rain")
    assert "nowhere" in failure("--weights", weights, "--corpus", nowhere, "--text", "gray")
    assert "empty" in failure(*ours, "--text", "")
    assert "no layer 3" in failure(*ours, "--layer", "3")
    assert "--units" in failure(*ours, "--units", "0")
    assert "nowhere" in failure("gradients", "--weights", nowhere, "--corpus", songs)
    assert "nowhere" in failure("gradients", "--corpus", nowhere)
    assert "--distance" in failure("gradients", "--corpus", songs, "--distance", "100000")
    assert "--distances" in failure("recall", "--distances", "10", "0")
    assert not out.exists()
    out = tmp_path / "file" / "picture.png"
    assert "cannot be written" in failure(*ours, "--text", "gray")


def test_help_says_what_is_drawn_and_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for picture in ("gates", "gradients", "recall"):
        with pytest.raises(SystemExit) as stop:
            main(["inspect", picture, "--help"])
        assert stop.value.code == 0
        printed = capsys.readouterr().out
        assert "example:" in printed
        assert "default:" in printed
