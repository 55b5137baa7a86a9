"""The network's mathematics: gradients against central differences, state, and dropout."""

import dataclasses

import numpy as np
import pytest

from model.network import Network, NetworkConfig, Parameters, initial_parameters

STEPS, BATCH = 5, 3
CONFIGS = [
    NetworkConfig(11, embedding_size=4, hidden_size=6, layers=2, cell="lstm"),
    NetworkConfig(11, embedding_size=5, hidden_size=5, layers=1, cell="lstm", tied=False),
    NetworkConfig(11, embedding_size=4, hidden_size=6, layers=2, cell="rnn"),
]
IDS = ["lstm", "lstm-untied-without-projection", "rnn"]


def network_in_float64(config: NetworkConfig) -> Network:
    """A small network whose biases are not zero, so that every gradient counts."""
    rng = np.random.default_rng(3)
    parameters: Parameters = {
        name: array.astype(np.float64) + rng.normal(0, 0.3, array.shape)
        for name, array in initial_parameters(config, rng).items()
    }
    return Network(config, parameters)


def batch(rng: np.random.Generator, network: Network) -> tuple[np.ndarray, ...]:
    """ids, targets and weights, each (T, B); some ids stand twice, one weight is negative."""
    ids = rng.integers(0, network.config.vocabulary_size, (STEPS, BATCH))
    targets = rng.integers(0, network.config.vocabulary_size, (STEPS, BATCH))
    weights = rng.uniform(-0.2, 1, (STEPS, BATCH))
    return ids, targets, weights


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_every_gradient_agrees_with_central_differences(
    config: NetworkConfig, dropout: float
) -> None:
    network = network_in_float64(config)
    rng = np.random.default_rng(7)
    ids, targets, weights = batch(rng, network)
    state = tuple(
        tuple(rng.normal(0, 0.5, array.shape) for array in layer)
        for layer in network.zero_state(BATCH)
    )

    def loss() -> float:
        return network.loss_and_gradients(
            ids, targets, weights, state, dropout=dropout, rng=np.random.default_rng(1)
        ).loss

    result = network.loss_and_gradients(
        ids, targets, weights, state, dropout=dropout, rng=np.random.default_rng(1)
    )
    assert result.gradients.keys() == network.parameters.keys()
    for name, parameter in network.parameters.items():
        numeric = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            parameter[index] = kept + 1e-5
            above = loss()
            parameter[index] = kept - 1e-5
            below = loss()
            parameter[index] = kept
            numeric[index] = (above - below) / 2e-5
        error = np.abs(result.gradients[name] - numeric).max()
        assert error <= 1e-6 * max(1.0, np.abs(numeric).max()), name


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_state_carried_between_segments_gives_the_logits_of_one_long_segment(
    config: NetworkConfig,
) -> None:
    network = network_in_float64(config)
    ids = np.random.default_rng(5).integers(0, 11, (8, 2))
    whole = network.forward(ids, network.zero_state(2))
    first = network.forward(ids[:3], network.zero_state(2))
    second = network.forward(ids[3:], first.state)
    np.testing.assert_allclose(
        np.concatenate([first.output, second.output]), whole.output, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_single_steps_give_the_logits_of_a_whole_pass(config: NetworkConfig) -> None:
    network = network_in_float64(config)
    ids = np.random.default_rng(5).integers(0, 11, (6, 2))
    expected = network.logits(network.forward(ids, network.zero_state(2)).output)
    state = network.zero_state(2)
    for t in range(len(ids)):
        logits, state = network.step(ids[t], state)
        np.testing.assert_allclose(logits, expected[t], rtol=0, atol=1e-12)


def test_token_nats_are_minus_the_log_of_the_softmax() -> None:
    network = network_in_float64(CONFIGS[0])
    ids, targets, _ = batch(np.random.default_rng(2), network)
    nats, _ = network.token_nats(ids, targets, network.zero_state(BATCH))
    logits = network.logits(network.forward(ids, network.zero_state(BATCH)).output)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = -np.log(np.take_along_axis(softmax, targets[..., None], axis=-1)[..., 0])
    np.testing.assert_allclose(nats, expected, rtol=1e-10)


def test_the_error_that_flows_back_in_time_is_clipped_by_value() -> None:
    network = network_in_float64(CONFIGS[0])
    ids, targets, weights = batch(np.random.default_rng(2), network)
    state = network.zero_state(BATCH)
    free = network.loss_and_gradients(ids, targets, weights, state).gradients
    wide = network.loss_and_gradients(ids, targets, weights, state, error_clip=1e3).gradients
    none = network.loss_and_gradients(ids, targets, weights, state, error_clip=0.0).gradients
    name = "rnn.weight_hh_l0"
    np.testing.assert_array_equal(wide[name], free[name])
    assert not np.allclose(none[name], free[name])


def test_a_dropped_unit_rests_for_the_whole_segment() -> None:
    network = network_in_float64(CONFIGS[0])
    ids = np.random.default_rng(2).integers(0, 11, (STEPS, BATCH))
    activations = network.forward(
        ids, network.zero_state(BATCH), dropout=0.5, rng=np.random.default_rng(1)
    )
    resting = activations.inputs[0] == 0  # (T, B, E)
    assert resting.any()
    assert (resting == resting[:1]).all()


def test_float32_parameters_give_float32_results() -> None:
    config = CONFIGS[0]
    network = Network(config, initial_parameters(config, np.random.default_rng(0)))
    ids, targets, _ = batch(np.random.default_rng(2), network)
    weights = np.ones(ids.shape, np.float32)
    result = network.loss_and_gradients(ids, targets, weights, network.zero_state(BATCH))
    assert {array.dtype for array in result.gradients.values()} == {np.dtype(np.float32)}
    assert all(array.dtype == np.float32 for layer in result.state for array in layer)


def test_the_forget_gate_starts_open() -> None:
    config = dataclasses.replace(CONFIGS[0], hidden_size=8)
    parameters = initial_parameters(config, np.random.default_rng(0))
    bias = parameters["rnn.bias_ih_l0"] + parameters["rnn.bias_hh_l0"]
    assert (bias[8:16] == 1).all()
    assert (bias[:8] == 0).all()
    assert (bias[16:] == 0).all()
