"""A training of ours with PyTorch in place of our network and optimizer: the same recipe.

Everything around a step is `model.training`'s: the stream of tokens, schedule, validation,
averages, the best weights kept, the temperature fitted. Even the first parameters are the same,
and which units rest. PyTorch computes the forward and backward pass and Adam's step. It bounds no
error that flows back in time (our --clip-error), for which nn.LSTM has no place.
"""

import os

import numpy as np
import torch

from benchmarks.pytorch_network import Reference
from model.dropout import Noise
from model.errors import TrainingError
from model.genre_contrast import Contrast
from model.network import Ids, Network, views, within
from model.options import TrainingConfig
from model.ranks import Alone
from model.recurrence import Array
from model.task import Task
from model.team import Plan, Team
from model.training import Training
from model.weights import Weights


class PyTorchTeam(Team):
    """Does a team's steps with PyTorch, in one process with as many threads as there are cores."""

    def __init__(self, plan: Plan, config: TrainingConfig) -> None:
        """Raises TrainingError for a recipe that it cannot follow."""
        super().__init__(plan, Alone())
        known = (plan.network.cell, config.optimizer, config.genre_weight) == ("lstm", "adam", 0)
        if not known:
            raise TrainingError(
                "The PyTorch training knows the cell lstm and the optimizer adam, and tells no "
                "genres apart: genre_weight must be 0."
            )
        self._config = config

    def __enter__(self) -> "PyTorchTeam":
        torch.set_num_threads(self._config.processes or os.cpu_count() or 1)
        config, network = self._config, Network(self.plan.network, self.arrays.parameters)
        self._reference = Reference.of(network)
        self._parameters = list(self._reference.parameters())
        self._adam = torch.optim.AdamW(  # with a weight decay of 0 it is Adam
            self._parameters,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._views = views(self.plan.network, self.arrays.parameters)
        return self

    def __exit__(self, *_: object) -> None:
        del self._reference, self._parameters, self._adam

    def step(
        self,
        inputs: Ids,
        targets: Ids,
        done: int,
        learning_rate: float,
        averaged: int,
        *,
        fresh: bool = False,
        contrast: Contrast | None = None,
    ) -> tuple[float, float]:
        assert contrast is None
        plan = self.plan
        self.arrays.state[:] *= self.kept_states(done, fresh=fresh)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._adam.zero_grad(set_to_none=True)
        noise = Noise(plan.dropout, plan.network.layers, (plan.random_seed, done))
        logits = self._forward(torch.tensor(inputs).long(), noise)
        nats = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.tensor(targets).long().flatten(), reduction="none"
        )
        loss = nats[torch.tensor(~within(targets, plan.forced_ids)).flatten()].sum() / targets.size
        loss.backward()
        if plan.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self._parameters, plan.clip_value)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, plan.clip_norm))
        if np.isfinite(norm):
            self._adam.step()
            for name, array in self._views.items():
                array[:] = self._reference.get_parameter(name).detach().numpy()
            if averaged:
                plan.averaging.update(self.arrays.average, self.arrays.parameters, averaged)
        return float(loss.item()), norm

    def _forward(self, ids: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Logits (T, B, V) of ids (T, B); the state carried on is left in the arrays."""
        reference, state = self._reference, self.arrays.state
        x = reference.embedding(ids)
        for layer in range(self.plan.network.layers):
            weights = [
                reference.rnn.get_parameter(f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            ones = np.ones(weights[1].shape, np.float32)
            if self.plan.dropout.recurrent:
                weights[1] = weights[1] * torch.tensor(noise.resting_weights(layer, ones))
            x = _masked(x, noise, layer)
            before = [torch.tensor(array.T.copy())[None] for array in state[layer]]
            x, *after = torch.lstm(x, before, weights, True, 1, 0.0, True, False, False)
            for array, carried in zip(state[layer], after, strict=True):
                array[:] = carried[0].detach().numpy().T
        x = _masked(x, noise, self.plan.network.layers)
        logits: torch.Tensor = reference.decoder(reference.projection(x))
        return logits


class PyTorchTraining(Training):
    """A Training whose steps PyTorch takes."""

    def __init__(self, config: TrainingConfig, task: Task, init: Weights | None = None) -> None:
        """As Training's; raises TrainingError for a recipe that PyTorchTeam cannot follow."""
        super().__init__(config, task, init)
        vector: Array = self.network.vector
        self._team = PyTorchTeam(self._team.plan, self.config)
        self._team.arrays.parameters[:] = vector
        self.network = Network(self.network.config, self._team.arrays.parameters)


def _masked(x: torch.Tensor, noise: Noise, place: int) -> torch.Tensor:
    """x (T, B, D) with the units at rest that our network would let rest."""
    mask = noise.mask(place, (x.shape[2], x.shape[0], x.shape[1]))  # (D, 1 or T, B)
    return x if mask is None else x * torch.tensor(mask.transpose(1, 2, 0).copy())
