"""What `python -m model bench` measures; never how fast it was."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from model.bench import Benchmark, RandomTraining, bench, flops_per_token, random_segments
from model.cli.bench import add_bench
from model.errors import TrainingError
from model.network import Network, NetworkConfig, initial_parameters
from model.options import TrainingConfig
from model.step_parts import INPUT, PARTS, WAITING, StepClock
from model.vocabulary import train_tokenizer
from model.weights import Weights, save_weights

SHORT = 0.01  # seconds
KNOWN_OPTIONS = {"batch": 4, "steps": 6, "processes": 1, "dropout": 0.3, "recurrent_dropout": 0.1}


def network_of(cell: str = "lstm", vocabulary: int = 20) -> Network:
    config = NetworkConfig(vocabulary, embedding_size=6, hidden_size=8, layers=2, cell=cell)
    return Network(config, initial_parameters(config, np.random.default_rng(1)))


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Small ones, whose card says more than the options they were trained with."""
    tokenizer = train_tokenizer(
        "char", ["the long way home"], vocabulary=99, lower_case=False, minimum_count=1
    )
    network = network_of(vocabulary=tokenizer.vocabulary_size)
    return Weights(network, tokenizer, (), KNOWN_OPTIONS | {"seconds": 12, "epochs_done": 3})


@pytest.fixture(scope="module")
def result(weights: Weights) -> Benchmark:
    return bench(weights, SHORT, 2, lambda _: None)


def test_the_sizes_are_those_that_the_weights_were_trained_with(
    result: Benchmark, weights: Weights
) -> None:
    assert result.network == weights.network.config
    assert (result.batch, result.steps) == (4, 6)


def test_the_processes_are_those_asked_for_and_not_those_of_the_training(
    result: Benchmark,
) -> None:
    assert result.processes == 2


def test_training_reaches_a_share_of_the_peak(result: Benchmark) -> None:
    assert result.gemm_peak_gflops > 0
    assert 0 < result.gemm_peak_share < 1


def test_the_parts_of_a_step_add_up_to_all_of_it(result: Benchmark) -> None:
    assert tuple(result.step_shares) == PARTS
    assert sum(result.step_shares.values()) == pytest.approx(1)


def test_every_part_takes_some_of_an_lstms_step(result: Benchmark) -> None:
    assert [part for part, share in result.step_shares.items() if not 0 < share < 1] == []


def test_writing_is_measured_for_one_and_for_many_at_once(result: Benchmark) -> None:
    assert list(result.generate_tokens_per_second) == [1, 8, 32]
    assert all(rate > 0 for rate in result.generate_tokens_per_second.values())


def test_a_benchmark_that_takes_no_time_is_refused() -> None:
    with pytest.raises(TrainingError, match="seconds must be above 0"):
        bench(None, 0, 0, lambda _: None)


def test_a_token_costs_six_operations_for_each_weight_that_it_is_multiplied_by() -> None:
    layers = 4 * 8 * (6 + 8) + 4 * 8 * (8 + 8)
    projection, softmax = 8 * 6, 20 * 6
    for tied in (True, False):
        config = NetworkConfig(20, embedding_size=6, hidden_size=8, layers=2, tied=tied)
        assert flops_per_token(config) == 6 * (layers + projection + softmax)


def test_the_targets_are_the_ids_that_come_next() -> None:
    inputs, targets = next(random_segments(vocabulary=10, steps=5, batch=3))

    assert inputs.shape == targets.shape == (5, 3)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])


def test_the_training_that_is_measured_does_train() -> None:
    network = network_of()
    config = TrainingConfig(batch=4, steps=6, processes=1, dropout=0.0, learning_rate=0.02)
    training = RandomTraining(config, network.config, network.vector)

    with training.team:
        losses = [training.step() for _ in range(60)]

    assert np.mean(losses[-8:]) < 0.95 * np.mean(losses[:8])


@pytest.mark.parametrize(
    ("cell", "absent"),
    [("lstm", {WAITING}), ("rnn", {WAITING}), ("mogrifier", {WAITING, INPUT})],
)
def test_a_lone_process_waits_for_nobody(cell: str, absent: set[str]) -> None:
    network = network_of(cell)
    config = TrainingConfig(batch=4, steps=6, processes=1, dropout=0.2)
    training = RandomTraining(config, network.config, network.vector)

    with training.team, StepClock(cell) as clock:
        training.step()

    assert {part for part, share in clock.shares.items() if share == 0} == absent


def test_numpy_is_as_it_was_after_the_parts_were_measured() -> None:
    product = np.matmul

    with StepClock("lstm"):
        assert np.matmul(np.ones(3), np.ones(3)) == 3

    assert np.matmul is product


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_prints_the_rates(
    as_json: bool, weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(weights, tmp_path, "")
    parser = argparse.ArgumentParser()
    add_bench(parser.add_subparsers())
    arguments = ["bench", "--weights", str(tmp_path), "--seconds", str(SHORT)]
    options = parser.parse_args(arguments + ["--json"] * as_json)

    assert options.run(options) == 0

    output = capsys.readouterr().out
    if as_json:
        assert json.loads(output).keys() >= {
            "train_tokens_per_second",
            "gemm_peak_share",
            "gemm_peak_gflops",
            "generate_tokens_per_second",
        }
    else:
        assert "training" in output
        assert "recurrent products" in output
