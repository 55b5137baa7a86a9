"""The command line: what goes to standard output, what to standard error, and the exit status."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from model.checkpoint import LAST
from model.cli import main
from model.cli.command import STATUS_INTERRUPTED
from model.corpus import Corpus, write_songs
from model.originality import NgramIndex
from model.weights import ORIGINALITY

TINY = [
    "--tokenizer",
    "char",
    "--embedding",
    "8",
    "--hidden",
    "16",
    "--layers",
    "1",
    "--batch",
    "8",
]


@pytest.fixture(scope="module")
def songs(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "songs.txt"
    held_out = small_corpus.part("validation")[:1] + small_corpus.part("test")[:1]
    write_songs(small_corpus.part("train")[:6] + held_out, path)
    return path


def failure(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line on standard error of a command that must fail."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


def test_train_leaves_weights_that_evaluate_and_generate_can_use(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    arguments = ["train", str(songs), "--out", str(out), "--epochs", "1", "--json", *TINY]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] is True
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "config.json",
        "last.safetensors",
        "loss.png",
        "metrics.jsonl",
        "model.safetensors",
        "originality.safetensors",
        "tokenizer.json",
    }
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert any("validation_bits_per_character" in record for record in records)

    command = ["evaluate", "--weights", str(out), "--corpus", str(songs), "--samples", "4"]
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"bits_per_character", "nats_per_token", "perplexity", "tokens", "characters"} <= set(
        figures
    )
    assert figures["part"] == "test"

    assert main(["generate", "--weights", str(out), "--seed", "rain", "--json"]) == 0
    lyric = json.loads(capsys.readouterr().out)
    assert lyric["text"].startswith("rain")
    assert set(lyric) >= {"text", "code", "model", "random_seed", "longest_run"}


def test_a_model_is_not_replaced_unasked(
    tiny_weights: Path, songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tiny_weights / "model.safetensors").read_bytes()
    line = failure(capsys, "train", songs, "--out", tiny_weights)
    assert "--overwrite" in line
    assert (tiny_weights / "model.safetensors").read_bytes() == before


def test_lyric_k_of_a_count_is_the_one_that_its_own_random_seed_writes(
    tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "generate",
        "--weights",
        str(tiny_weights),
        "--seed",
        "rain",
        "--lines",
        "4",
        "--json",
    ]
    assert main([*common, "--count", "3", "--random-seed", "5"]) == 0
    lyrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [lyric["random_seed"] for lyric in lyrics] == [5, 6, 7]
    assert main([*common, "--random-seed", "7"]) == 0
    assert json.loads(capsys.readouterr().out) == lyrics[2]
    code = ["generate", "--weights", str(tiny_weights), "--code", lyrics[1]["code"], "--json"]
    assert main(code) == 0
    assert json.loads(capsys.readouterr().out) == lyrics[1]


def test_options_can_stand_in_a_file_and_the_command_line_goes_first(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text('tokenizer = "char"\nembedding = 8\nhidden = 99\nbatch = 8\nepochs = 0.1\n')
    out = tmp_path / "out"
    assert (
        main(["train", str(songs), "--out", str(out), "--config", str(config), "--hidden", "12"])
        == 0
    )
    capsys.readouterr()
    saved = json.loads((out / "config.json").read_text())
    assert saved["network"]["hidden_size"] == 12
    assert saved["network"]["embedding_size"] == 8
    config.write_text("hiden = 3\n")
    assert "hiden" in failure(capsys, "train", songs, "--out", tmp_path / "x", "--config", config)
    for wrong in ('hidden = "large"', "dropout = true", "minutes = [2]", "layers = 1.5"):
        config.write_text(wrong + "\n")
        line = failure(capsys, "train", songs, "--out", tmp_path / "x", "--config", config)
        assert wrong.split()[0] in line
    config.write_text("hidden 3\n")
    assert "TOML" in failure(capsys, "train", songs, "--out", tmp_path / "x", "--config", config)


def test_wrong_inputs_end_in_one_line_and_status_2_and_leave_nothing(
    tiny_weights: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, empty = tmp_path / "nowhere", tmp_path / "empty.txt"
    empty.write_text("")
    out = tmp_path / "out"
    assert "nowhere" in failure(capsys, "train", nowhere, "--out", out)
    assert "empty.txt" in failure(capsys, "train", empty, "--out", out)
    assert "nowhere" in failure(capsys, "generate", "--weights", nowhere)
    assert "genre" in failure(capsys, "generate", "--weights", tiny_weights, "--genre", "polka")
    assert "seed" in failure(capsys, "generate", "--weights", tiny_weights, "--seed", "")
    assert "Count" in failure(capsys, "generate", "--weights", tiny_weights, "--count", "0")
    assert "Lines" in failure(capsys, "generate", "--weights", tiny_weights, "--lines", "1000")
    assert "no run to resume" in failure(capsys, "train", songs, "--out", out, "--resume")
    assert "no database" in failure(
        capsys, "retrain", "--weights", tiny_weights, "--database", nowhere, "--out", out
    )
    assert not out.exists()


def test_a_folder_that_cannot_be_written_ends_in_one_line(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "weights"
    assert main(["train", str(songs), "--out", str(out), "--epochs", "0.1", *TINY]) == 2
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]


def test_an_interrupted_run_saves_and_goes_on_to_the_same_weights(
    songs: Path, tmp_path: Path
) -> None:
    def command(out: Path, *more: str) -> list[str]:
        return [sys.executable, "-m", "model", "train", str(songs), "--out", str(out), *more]

    options = [*TINY, "--epochs", "2", "--evaluations", "6"]
    subprocess.run(command(tmp_path / "whole", *options), capture_output=True, check=True)
    with subprocess.Popen(
        command(tmp_path / "parts", *options), stderr=subprocess.PIPE, text=True
    ) as stopped:
        assert stopped.stderr is not None
        while "validation" not in (line := stopped.stderr.readline()):
            assert line, "the run ended before its first validation"
        stopped.send_signal(signal.SIGINT)
        assert "saving" in stopped.stderr.read()
    assert stopped.returncode == STATUS_INTERRUPTED
    subprocess.run(command(tmp_path / "parts", "--resume"), capture_output=True, check=True)
    whole, parts = (
        safetensors.numpy.load_file(tmp_path / name / LAST) for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)
    # not their bytes: safetensors writes the metadata in any order
    whole_index, parts_index = (
        NgramIndex.read(tmp_path / name / ORIGINALITY) for name in ("whole", "parts")
    )
    assert whole_index == parts_index


def test_help_teaches_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("prepare", "train", "evaluate", "generate", "retrain", "index"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert "example:" in capsys.readouterr().out


def test_evaluate_takes_all_songs_of_a_corpus_too_small_to_split(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.txt").write_text("rain on the road\n")
    shutil.copytree(tiny_weights, tmp_path / "w")
    command = ["evaluate", "--weights", str(tmp_path / "w"), "--corpus", str(tmp_path)]
    command += ["--samples", "4", "--json"]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["songs"] == 1
    assert figures["characters"] == len("rain on the road") + 1
