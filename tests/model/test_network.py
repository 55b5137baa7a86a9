"""The network's mathematics: gradients against central differences, state, and dropout."""

import dataclasses

import numpy as np
import pytest

from model.dropout import Dropout, Noise
from model.network import Gradients, Network, NetworkConfig, initial_parameters, views

STEPS, BATCH = 4, 2
CONFIGS = [
    NetworkConfig(11, embedding_size=4, hidden_size=6, layers=2, cell="lstm"),
    NetworkConfig(11, embedding_size=5, hidden_size=5, layers=1, cell="lstm", tied=False),
    NetworkConfig(11, embedding_size=4, hidden_size=6, layers=2, cell="rnn"),
    NetworkConfig(11, embedding_size=4, hidden_size=6, layers=2, cell="mogrifier"),
]
IDS = ["lstm", "lstm-untied-without-projection", "rnn", "mogrifier"]
NOISES = {
    "no-dropout": None,
    "held-dropout-and-dropconnect": Dropout(embedding=0.4, layers=0.3, output=0.5, recurrent=0.4),
    "dropout-anew-at-each-step": Dropout(embedding=0.4, layers=0.3, output=0.5, held=False),
}


def network_in_float64(config: NetworkConfig) -> Network:
    """A small network whose biases are not zero, so that every gradient counts."""
    rng = np.random.default_rng(3)
    vector = initial_parameters(config, rng).astype(np.float64)
    return Network(config, vector + rng.normal(0, 0.3, vector.shape))


def batch(rng: np.random.Generator, network: Network) -> tuple[np.ndarray, ...]:
    """ids, targets and weights, each (T, B); some ids stand twice, one weight is negative."""
    ids = rng.integers(0, network.config.vocabulary_size, (STEPS, BATCH))
    targets = rng.integers(0, network.config.vocabulary_size, (STEPS, BATCH))
    weights = rng.uniform(-0.2, 1, (STEPS, BATCH))
    return ids, targets, weights


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
@pytest.mark.parametrize("dropout", NOISES.values(), ids=NOISES.keys())
def test_every_gradient_agrees_with_central_differences(
    config: NetworkConfig, dropout: Dropout | None
) -> None:
    network = network_in_float64(config)
    rng = np.random.default_rng(7)
    ids, targets, weights = batch(rng, network)
    state = tuple(
        tuple(rng.normal(0, 0.5, array.shape) for array in layer)
        for layer in network.zero_state(BATCH)
    )

    def result() -> Gradients:
        noise = Noise(dropout, config.layers, [1]) if dropout else None
        return network.loss_and_gradients(ids, targets, weights, state, noise=noise)

    gradient = result().vector
    numeric = np.empty_like(gradient)
    for i in range(len(numeric)):
        kept = network.vector[i]
        network.vector[i] = kept + 1e-5
        above = result().loss
        network.vector[i] = kept - 1e-5
        below = result().loss
        network.vector[i] = kept
        numeric[i] = (above - below) / 2e-5
    for name, expected in views(config, numeric).items():
        error = np.abs(views(config, gradient)[name] - expected).max()
        assert error <= 1e-6 * max(1.0, np.abs(expected).max()), name


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
        np.concatenate([first.output, second.output], axis=1), whole.output, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_single_steps_give_the_logits_of_a_whole_pass(config: NetworkConfig) -> None:
    network = network_in_float64(config)
    ids = np.random.default_rng(5).integers(0, 11, (6, 2))
    output = network.forward(ids, network.zero_state(2)).output
    state = network.zero_state(2)
    for t in range(len(ids)):
        logits, state = network.step(ids[t], state)
        np.testing.assert_allclose(logits, network.logits(output[:, t]), rtol=0, atol=1e-12)


def test_token_nats_are_minus_the_log_of_the_softmax() -> None:
    network = network_in_float64(CONFIGS[0])
    ids, targets, _ = batch(np.random.default_rng(2), network)
    nats, _ = network.token_nats(ids, targets, network.zero_state(BATCH))
    output = network.forward(ids, network.zero_state(BATCH)).output
    logits = network.logits(output.reshape(len(output), -1)).reshape(*ids.shape, -1)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = -np.log(np.take_along_axis(softmax, targets[..., None], axis=-1)[..., 0])
    np.testing.assert_allclose(nats, expected, rtol=1e-10)


def test_the_error_that_flows_back_in_time_is_clipped_by_value() -> None:
    network = network_in_float64(CONFIGS[0])
    ids, targets, weights = batch(np.random.default_rng(2), network)
    state = network.zero_state(BATCH)
    free, wide, none = (
        views(
            network.config,
            network.loss_and_gradients(ids, targets, weights, state, error_clip=bound).vector,
        )["rnn.weight_hh_l0"]
        for bound in (None, 1e3, 0.0)
    )
    np.testing.assert_array_equal(wide, free)
    assert not np.allclose(none, free)


@pytest.mark.parametrize("held", [True, False])
def test_a_dropped_unit_rests_for_the_whole_segment_if_that_is_asked(held: bool) -> None:
    network = network_in_float64(CONFIGS[0])
    ids = np.random.default_rng(2).integers(0, 11, (STEPS, BATCH))
    noise = Noise(Dropout(embedding=0.5, held=held), 2, [1])
    activations = network.forward(ids, network.zero_state(BATCH), noise)
    resting = activations.traces[0].x == 0  # (E, T, B)
    assert resting.any()
    assert (resting == resting[:, :1]).all() == held


def test_what_rests_does_not_depend_on_how_the_batch_is_shared_out() -> None:
    dropout = Dropout(embedding=0.5, layers=0.3, recurrent=0.5)
    whole, second = Noise(dropout, 2, [3, 7]), Noise(dropout, 2, [3, 7], first_column=2)
    for place in (0, 1):
        all_columns, two = whole.mask(place, (4, 5, 4)), second.mask(place, (4, 5, 2))
        assert all_columns is not None
        assert two is not None
        np.testing.assert_array_equal(all_columns[..., 2:], two)
    weight = np.ones((6, 3), np.float32)
    np.testing.assert_array_equal(
        whole.resting_weights(0, weight), second.resting_weights(0, weight)
    )


def test_float32_parameters_give_float32_results() -> None:
    config = CONFIGS[0]
    network = Network(config, initial_parameters(config, np.random.default_rng(0)))
    ids, targets, _ = batch(np.random.default_rng(2), network)
    weights = np.ones(ids.shape, np.float32)
    result = network.loss_and_gradients(ids, targets, weights, network.zero_state(BATCH))
    assert result.vector.dtype == np.float32
    assert all(array.dtype == np.float32 for layer in result.state for array in layer)


def test_the_forget_gate_starts_open() -> None:
    config = dataclasses.replace(CONFIGS[0], hidden_size=8)
    parameters = views(config, initial_parameters(config, np.random.default_rng(0)))
    bias = parameters["rnn.bias_ih_l0"] + parameters["rnn.bias_hh_l0"]
    assert (bias[8:16] == 1).all()
    assert (bias[:8] == 0).all()
    assert (bias[16:] == 0).all()
