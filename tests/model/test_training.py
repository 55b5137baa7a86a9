"""Training: it learns, stops, goes on exactly, and leaves whole files."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from model.corpus import Corpus, Song, read_corpus, write_songs
from model.errors import TrainingError, WeightsError
from model.options import TrainingConfig
from model.task import songs_task
from model.training import Listener, Step, Training, Validation, lowest_point
from model.weights import Weights, load_weights

ROOT = Path(__file__).parents[2]
SMALL = TrainingConfig(
    tokenizer="char",
    embedding=8,
    hidden=16,
    layers=2,
    batch=8,
    steps=32,
    epochs=1,
    evaluations=3,
    processes=1,
)


class Recorder(Listener):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.validations: list[Validation] = []

    def stepped(self, step: Step) -> None:
        self.steps.append(step)

    def validated(self, validation: Validation, weights: Weights) -> None:
        self.validations.append(validation)


@pytest.fixture(scope="module")
def corpus(small_corpus: Corpus) -> Corpus:
    """Enough songs that some are held out, few enough to be quick."""
    held_out = small_corpus.part("validation")[:2]
    return Corpus(small_corpus.part("train")[:12] + held_out)


def begin(
    config: TrainingConfig, corpus: Corpus, folder: Path, init: Weights | None = None
) -> Training:
    return Training(config, songs_task(config, corpus, folder, init), init)


def resume(folder: Path, corpus: Corpus, **changes: Any) -> Training:
    return Training.resumed(
        folder, changes, lambda config, weights: songs_task(config, corpus, folder, weights)
    )


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Asks to stop after so many steps."""
    left = iter([False] * (steps - 1))
    return lambda: next(left, True)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return dict(safetensors.numpy.load_file(folder / "last.safetensors"))


def test_the_loss_falls_and_the_best_validation_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    recorder = Recorder()
    best = begin(SMALL, corpus, tmp_path).run(tmp_path, recorder, never)
    assert recorder.steps[-1].nats_per_token < recorder.steps[0].nats_per_token - 0.5
    assert recorder.steps[-1].share == 1
    assert len(recorder.validations) == 3
    figures = [validation.evaluation.bits_per_character for validation in recorder.validations]
    assert best.bits_per_character <= min(figures)  # the fitted temperature can only help
    saved = load_weights(tmp_path)
    assert saved.training["validation_bits_per_character"] == round(best.bits_per_character, 4)
    assert (tmp_path / "README.md").is_file()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("steps", [1, 7])
def test_a_run_that_was_stopped_and_resumed_ends_in_the_same_weights(
    corpus: Corpus, tmp_path: Path, steps: int
) -> None:
    begin(SMALL, corpus, tmp_path / "whole").run(tmp_path / "whole", Recorder(), never)
    begin(SMALL, corpus, tmp_path / "parts").run(tmp_path / "parts", Recorder(), after(steps))
    resumed = resume(tmp_path / "parts", corpus)
    assert resumed.progress.step == steps
    resumed.run(tmp_path / "parts", Recorder(), never)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)


KILLED = """
import os, signal, sys
from pathlib import Path
from model.corpus import read_corpus
from model.options import TrainingConfig
from model.task import songs_task
from model.training import Listener, Training

class Killer(Listener):
    def stepped(self, step):
        if step.number == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[2])
config = TrainingConfig(**eval(sys.argv[4]))
task = songs_task(config, read_corpus(Path(sys.argv[1])), folder)
Training(config, task).run(folder, Killer(), lambda: False)
"""


@pytest.mark.parametrize("at", [2, 23])
def test_a_run_that_was_killed_and_resumed_ends_in_the_same_bytes(
    corpus: Corpus, tmp_path: Path, at: int
) -> None:
    config = replace(
        SMALL, processes=2, epochs=0.5, averaging="exponential", checkpoint_minutes=1e-9
    )
    write_songs(corpus, tmp_path / "songs.txt")
    songs = read_corpus(tmp_path / "songs.txt")
    begin(config, songs, tmp_path / "whole").run(tmp_path / "whole", Recorder(), never)
    arguments = [tmp_path / "songs.txt", tmp_path / "killed", at, asdict(config)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    resumed = resume(tmp_path / "killed", songs)
    assert resumed.progress.step == at - 1
    resumed.run(tmp_path / "killed", Recorder(), never)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)
    same = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "killed")]
    assert same[0] == same[1]


def test_a_run_that_ends_inside_an_epoch_can_be_prolonged_from_there(
    corpus: Corpus, tmp_path: Path
) -> None:
    begin(replace(SMALL, epochs=0.5), corpus, tmp_path).run(tmp_path, Recorder(), never)
    longer = resume(tmp_path, corpus, epochs=1.0)
    done = longer.progress
    assert longer.share == pytest.approx(0.5, abs=0.05)
    recorder = Recorder()
    longer.run(tmp_path, recorder, never)
    assert recorder.steps[0].number == done.step - len(recorder.steps) + 1
    assert len(recorder.steps) == pytest.approx(done.step / 2, abs=1)
    assert recorder.steps[-1].epoch == 1


def test_a_resumed_run_refuses_other_songs_and_other_sizes(corpus: Corpus, tmp_path: Path) -> None:
    begin(SMALL, corpus, tmp_path).run(tmp_path, Recorder(), after(1))
    first, *others = corpus
    reversed_words = replace(first, text=first.text[::-1].strip())  # as many characters
    for songs in (corpus[:8], [reversed_words, *others]):
        with pytest.raises(TrainingError, match="other songs"):
            resume(tmp_path, Corpus(songs))
    with pytest.raises(TrainingError, match="hidden cannot change"):
        resume(tmp_path, corpus, hidden=32)
    with pytest.raises(WeightsError, match="no run to resume"):
        resume(tmp_path / "elsewhere", corpus)


def test_training_from_other_weights_keeps_their_vocabulary_and_leaves_them_alone(
    corpus: Corpus, tmp_path: Path
) -> None:
    begin(SMALL, corpus, tmp_path / "first").run(tmp_path / "first", Recorder(), never)
    first = load_weights(tmp_path / "first")
    before = first.network.vector.copy()
    songs = tuple(Song(None, "polka", f"Schön ist die Nacht {i}\n" * 20) for i in range(20))
    training = begin(replace(SMALL, hidden=99), Corpus(songs), tmp_path / "second", first)
    training.run(tmp_path / "second", Recorder(), never)
    second = load_weights(tmp_path / "second")
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
    assert second.network.config == first.network.config
    assert second.genres == tuple(sorted({*first.genres, "polka"}))
    np.testing.assert_array_equal(first.network.vector, before)


def test_one_process_or_several_end_in_the_same_weights_but_for_rounding(
    corpus: Corpus, tmp_path: Path
) -> None:
    quick = replace(SMALL, epochs=0.2, recurrent_dropout=0.3)
    begin(quick, corpus, tmp_path / "one").run(tmp_path / "one", Recorder(), never)
    three = replace(quick, processes=3)
    begin(three, corpus, tmp_path / "three").run(tmp_path / "three", Recorder(), never)
    one, several = tensors(tmp_path / "one"), tensors(tmp_path / "three")
    np.testing.assert_allclose(several["parameters"], one["parameters"], atol=2e-4)


def test_a_state_that_is_always_dropped_makes_every_segment_start_from_zero(
    corpus: Corpus, tmp_path: Path
) -> None:
    whole = replace(SMALL, drop_state=1.0, dropout=0.0, epochs=0.2)
    begin(whole, corpus, tmp_path / "whole").run(tmp_path / "whole", Recorder(), never)
    begin(whole, corpus, tmp_path / "parts").run(tmp_path / "parts", Recorder(), after(2))
    path = tmp_path / "parts" / "last.safetensors"
    with safetensors.safe_open(path, "numpy") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    arrays["state"] += 5
    safetensors.numpy.save_file(arrays, path, metadata)
    resume(tmp_path / "parts", corpus).run(tmp_path / "parts", Recorder(), never)
    np.testing.assert_array_equal(
        tensors(tmp_path / "parts")["parameters"], tensors(tmp_path / "whole")["parameters"]
    )


def test_too_little_text_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="too little text"):
        begin(SMALL, Corpus((Song(None, None, "la la"),)), tmp_path)


def test_a_corpus_too_small_to_hold_songs_out_is_trained_on_and_says_so(tmp_path: Path) -> None:
    song = Song(None, None, "Rain on the road and rain on the roof\n" * 20)
    training = begin(SMALL, Corpus((song,)), tmp_path)
    assert not training.task.held_out
    training.run(tmp_path, Recorder(), never)
    assert load_weights(tmp_path).training["held_out"] is False


def test_a_loss_that_is_not_finite_stops_the_run_with_a_clear_line(
    corpus: Corpus, tmp_path: Path
) -> None:
    training = begin(SMALL, corpus, tmp_path)
    training.network.parameters["decoder.bias"][:] = np.nan
    with pytest.raises(TrainingError, match="no longer finite"):
        training.run(tmp_path, Recorder(), never)


def test_a_loss_that_climbs_to_three_times_the_best_stops_the_run_and_keeps_the_best(
    corpus: Corpus, tmp_path: Path
) -> None:
    wild = replace(SMALL, optimizer="sgd", learning_rate=500.0, clip_norm=1e6, warm_up=0.9)
    with pytest.raises(TrainingError, match=r"rose to .* lower --learning-rate"):
        begin(replace(wild, evaluations=40), corpus, tmp_path).run(tmp_path, Recorder(), never)
    assert load_weights(tmp_path).training["epochs_done"] < 1


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": 0},
        {"learning_rate": -1.0},
        {"dropout": 1.0},
        {"tokenizer": "words"},
        {"clip_value": 0.0},
        {"hold_dropout": 1},
        {"epochs": float("nan")},
        {"batch": True},
    ],
)
def test_options_that_cannot_be_are_refused_by_name(
    corpus: Corpus, tmp_path: Path, changes: dict[str, int | float | str]
) -> None:
    with pytest.raises(TrainingError, match=next(iter(changes))):
        begin(replace(SMALL, **changes), corpus, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("averaging", ["exponential", "triggered"])
def test_an_average_of_the_weights_is_judged_and_kept_and_survives_a_stop(
    corpus: Corpus, tmp_path: Path, averaging: str
) -> None:
    config = replace(SMALL, averaging=averaging, stall=1, evaluations=20, learning_rate=0.05)
    begin(config, corpus, tmp_path / "whole").run(tmp_path / "whole", Recorder(), never)
    begin(config, corpus, tmp_path / "parts").run(tmp_path / "parts", Recorder(), after(20))
    resume(tmp_path / "parts", corpus).run(tmp_path / "parts", Recorder(), never)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert np.abs(whole["average"] - whole["parameters"]).max() > 1e-4
    np.testing.assert_array_equal(parts["average"], whole["average"])
    kept, other = load_weights(tmp_path / "parts"), load_weights(tmp_path / "whole")
    np.testing.assert_array_equal(kept.network.vector, other.network.vector)


def test_a_run_that_no_longer_gets_better_ends_early(corpus: Corpus, tmp_path: Path) -> None:
    recorder = Recorder()
    config = replace(SMALL, learning_rate=1e-30, patience=2, evaluations=20)
    begin(config, corpus, tmp_path).run(tmp_path, recorder, never)
    assert len(recorder.validations) < 10
    assert [validation.best for validation in recorder.validations[-2:]] == [False, False]


def test_the_softmax_temperature_is_fitted_to_the_held_out_songs(
    corpus: Corpus, tmp_path: Path
) -> None:
    recorder = Recorder()
    config = replace(SMALL, dropout=0.6, epochs=2)
    best = begin(config, corpus, tmp_path).run(tmp_path, recorder, never)
    kept = load_weights(tmp_path)
    assert kept.training["temperature"] != 1
    lowest = min(heard.evaluation.bits_per_character for heard in recorder.validations)
    assert best.bits_per_character < lowest
    with_fit = songs_task(config, corpus, tmp_path, kept).evaluate(kept.network)
    assert with_fit.bits_per_character == pytest.approx(best.bits_per_character, abs=2e-3)


@pytest.mark.parametrize("lowest", [0.8, 1.0, 1.02, 1.3])
def test_the_lowest_temperature_is_found_wherever_it_lies(lowest: float) -> None:
    asked: list[float] = []

    def measure(temperature: float) -> float:
        asked.append(temperature)
        return (temperature - lowest) ** 2

    assert lowest_point(measure, measure(1.0)) == pytest.approx(lowest, abs=1e-6)
    assert len(asked) < 12
