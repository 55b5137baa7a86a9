"""Learning a host's own songs from a trained model: what it keeps, chooses and says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.card import model_card
from model.cli import main
from model.corpus import Corpus, read_corpus
from model.originality import NgramIndex
from model.progress import ProgressView
from model.training import Step
from model.weights import load_weights, save_weights


def write_songs(path: Path, count: int) -> Path:
    """Songs in a style of their own, unlike those of the tiny weights."""
    lines = [
        f"Oh the {colour} {thing} went down to the {place}"
        for colour in ("silver", "scarlet", "yellow", "quiet", "crooked")
        for thing in ("kettle", "wagon", "anchor", "feather", "lantern")
        for place in ("harbour", "meadow", "station", "market", "river")
    ]
    songs = ["\n".join(lines[(7 * i + 11 * j) % 125] for j in range(10)) for i in range(count)]
    path.write_text("\n===\n".join(songs) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def indexed_weights(
    tiny_weights: Path, small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny weights, with the index of what they learned."""
    folder = tmp_path_factory.mktemp("weights") / "indexed"
    index = NgramIndex.build(small_corpus.part("train"))
    weights = replace(load_weights(tiny_weights), originality=index)
    save_weights(weights, folder, model_card(weights, "indexed"))
    return folder


def test_a_model_learns_a_hosts_songs_and_keeps_its_vocabulary(
    indexed_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = write_songs(tmp_path / "mine.txt", 90), tmp_path / "mine"
    arguments = ["--init", str(indexed_weights), "--out", str(out), "--minutes", "0.07", "--json"]
    assert main(["train", str(songs), *arguments, "--processes", "1"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["bits_per_character"] < 0.8 * result["bits_per_character_before"]
    assert "The text is small" in said.err
    before, after = load_weights(indexed_weights), load_weights(out)
    assert after.tokenizer.to_json() == before.tokenizer.to_json()
    assert after.training["learning_rate"] == result["learning_rate"]
    assert after.originality == NgramIndex.build(
        read_corpus(songs).part("train"), base=before.originality
    )
    assert not list(out.glob("tmp*"))


def test_whoever_gives_a_learning_rate_chooses_the_run_himself(
    indexed_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = write_songs(tmp_path / "mine.txt", 60), tmp_path / "mine"
    run = ["train", str(songs), "--out", str(out), "--json"]
    chosen = ["--init", str(indexed_weights), "--epochs", "1", "--learning-rate", "1e-3"]
    assert main([*run, *chosen]) == 0
    assert "steps" in json.loads(capsys.readouterr().out)

    index = load_weights(out).originality
    assert index == NgramIndex.build(
        read_corpus(songs).part("train"), base=load_weights(indexed_weights).originality
    )
    assert main([*run, "--resume", "--epochs", "2"]) == 0
    assert load_weights(out).originality == index


def test_a_run_killed_early_goes_on_with_the_word_runs_of_the_weights_it_began_from(
    indexed_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_view: ProgressView, step: Step) -> None:
        if step.number == 2:
            raise RuntimeError

    songs, out = write_songs(tmp_path / "mine.txt", 60), tmp_path / "mine"
    run = ["train", str(songs), "--out", str(out)]
    chosen = ["--init", str(indexed_weights), "--epochs", "1", "--checkpoint-minutes", "1e-9"]
    with monkeypatch.context() as patch:
        patch.setattr(ProgressView, "stepped", stumble)
        with pytest.raises(RuntimeError):
            main([*run, *chosen])
    assert not (out / "model.safetensors").exists()
    assert main([*run, "--resume"]) == 0
    assert load_weights(out).originality == NgramIndex.build(
        read_corpus(songs).part("train"), base=load_weights(indexed_weights).originality
    )


def test_where_nothing_gets_better_no_model_is_written(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.fine_tuning.LEARNING_RATES", (30.0,))
    songs, out = write_songs(tmp_path / "mine.txt", 60), tmp_path / "mine"
    arguments = ["--init", str(tiny_weights), "--out", str(out), "--minutes", "0.02"]
    assert main(["train", str(songs), *arguments, "--no-temperature-fit"]) == 2
    assert not (out / "model.safetensors").exists()
