"""The processes that share each training step.

numpy's element-wise work holds one core, and threads of one interpreter wait for each other's
lock; so each core gets a process of its own. Parameters, gradients and optimizer state lie in
memory that all of them see. A step has three parts: every member computes the gradient of its
columns of the batch; adds up its slice of all members' gradients; and updates its slice of the
parameters. Between them the leader, which is a member too, has nothing to copy.

Messages between the members are numpy arrays and numbers through pipes; a member ends when the
leader's end of its pipe closes.
"""

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from model.averaging import Averaging
from model.blas import one_blas_thread
from model.cells import CELLS
from model.dropout import Dropout, Noise
from model.errors import TrainingError
from model.genre_contrast import Contrast
from model.network import Ids, Network, NetworkConfig, State, within
from model.optimizers import Optimizer, clip_scale, clip_value, squared_norm
from model.options import TrainingConfig
from model.ranks import Ranks
from model.recurrence import Array


@dataclass(frozen=True)
class Plan:
    """What every member does in each step."""

    network: NetworkConfig
    optimizer: Optimizer
    averaging: Averaging
    dropout: Dropout
    clip_error: float  # for the errors of a sum of losses
    clip_value: float | None
    clip_norm: float
    drop_state: float  # how often a sequence's carried state is dropped
    random_seed: int
    batch: int  # columns of the whole batch, of all ranks
    first_column: int  # of those that this team works on
    columns: int
    members: int
    forced_ids: range  # targets that are given, not foretold, and cost nothing
    genre_weight: float

    @classmethod
    def of(
        cls,
        config: TrainingConfig,
        network: NetworkConfig,
        batch: int,
        ranks: Ranks,
        forced_ids: range = range(0),
    ) -> "Plan":
        """The share of this rank in a training with these options.

        Raises TrainingError when the batch has fewer columns than there are ranks.
        """
        if batch < ranks.size:
            raise TrainingError(f"{ranks.size} ranks need a batch of {ranks.size} or more.")
        own = _cut(batch, ranks.size)[ranks.rank]
        columns = own.stop - own.start
        return cls(
            network,
            config.make_optimizer(),
            config.make_averaging(),
            config.make_dropout(),
            config.clip_error,
            config.clip_value,
            config.clip_norm,
            config.drop_state,
            config.random_seed,
            batch,
            own.start,
            columns,
            config.members(columns, ranks.size),
            forced_ids,
            config.genre_weight,
        )

    @property
    def own_columns(self) -> slice:
        """Those of the whole batch that this team works on."""
        return slice(self.first_column, self.first_column + self.columns)

    @property
    def parts(self) -> list[slice]:
        """Each member's columns, counted from the team's first."""
        return _cut(self.columns, self.members)

    @property
    def slices(self) -> list[slice]:
        """Each member's part of the flat vectors."""
        return _cut(self.network.parameter_count, self.members)


@dataclass(frozen=True)
class SharedArrays:
    """What all members see. N parameters, S slots, M members, L layers."""

    parameters: Array  # (N,)
    gradients: Array  # (M, N); after `reduce`, the sum is in row 0
    slots: Array  # (S, N), the optimizer's
    average: Array  # (N,), or (0,) without averaging
    state: Array  # (L, arrays carried, H, B)

    @classmethod
    def shapes(cls, plan: Plan) -> list[tuple[int, ...]]:
        """The arrays' shapes, in order."""
        config, n = plan.network, plan.network.parameter_count
        states = CELLS[config.cell].states
        return [
            (n,),
            (plan.members, n),
            (plan.optimizer.slots, n),
            (0 if plan.averaging.kind == "none" else n,),
            (config.layers, states, config.hidden_size, plan.columns),
        ]


class Member:
    """One process's share of the work."""

    def __init__(self, plan: Plan, arrays: SharedArrays, number: int) -> None:
        self._plan = plan
        self._arrays = arrays
        self._number = number
        self._columns, self._slice = plan.parts[number], plan.slices[number]
        self._network = Network(plan.network, arrays.parameters)
        self._buffers = self._network.buffers()

    def compute(
        self, inputs: Ids, targets: Ids, keep: Array, step: int, contrast: Contrast | None
    ) -> float:
        """The gradient of its columns, (T, B) of the team's; its part of the mean nats a token.

        keep (B,): 0 where the carried state is dropped, else 1. contrast: the team's.
        """
        plan, state = self._plan, self._arrays.state[..., self._columns]
        state *= keep[self._columns]
        tokens = inputs.shape[0] * plan.batch
        part, targets = inputs[:, self._columns], targets[:, self._columns]
        weights = np.where(within(targets, plan.forced_ids), np.float32(0), np.float32(1 / tokens))
        noise = Noise(
            plan.dropout,
            plan.network.layers,
            (plan.random_seed, step),
            plan.first_column + self._columns.start,
        )
        result = self._network.loss_and_gradients(
            part,
            targets,
            weights,
            state_of(state),
            noise=noise,
            error_clip=plan.clip_error / tokens,  # the weights above make the loss a mean
            vector=self._arrays.gradients[self._number],
            buffers=self._buffers,
        )
        for layer, carried in zip(state, result.state, strict=True):
            for array, new in zip(layer, carried, strict=True):
                array[:] = new
        if contrast is not None:
            self._tell_apart(contrast)
        return result.loss

    def _tell_apart(self, contrast: Contrast) -> None:
        """Add the gradient of its share of the passages; no unit rests while these are read."""
        plan = self._plan
        own = contrast.part(self._number, plan.members)
        if not own.passages:
            return
        weight = plan.genre_weight * own.share
        inputs, targets = own.ids[:-1], own.ids[1:]
        zeros = self._network.zero_state(inputs.shape[1])
        nats, _ = self._network.token_nats(inputs, targets, zeros)
        self._arrays.gradients[self._number] += self._network.loss_and_gradients(
            inputs,
            targets,
            own.slopes(nats) * np.float32(weight),
            zeros,
            error_clip=plan.clip_error * weight,
            vector=self._added,
            buffers=self._buffers,
        ).vector

    @cached_property
    def _added(self) -> Array:
        """Room for a gradient that is added to another (N,)."""
        return np.empty_like(self._network.vector)

    def reduce(self) -> None:
        """Add up its slice of all members' gradients, into row 0."""
        total, *others = self._arrays.gradients[:, self._slice]
        for other in others:
            total += other

    def norm(self) -> float:
        """Clip its slice of the gradient by value; the sum of the squares of what is left."""
        part = self._arrays.gradients[0, self._slice]
        if self._plan.clip_value is not None:
            clip_value(part, self._plan.clip_value)
        return squared_norm(part)

    def update(self, scale: float, learning_rate: float, step: int, averaged: int) -> None:
        """Update its slice by `scale` times the gradient; `averaged` from 1 adds it to the mean."""
        arrays, own = self._arrays, self._slice
        gradient = arrays.gradients[0, own]
        if scale != 1:
            gradient *= scale
        self._plan.optimizer.update(
            arrays.parameters[own], gradient, arrays.slots[:, own], learning_rate, step
        )
        if averaged:
            self._plan.averaging.update(arrays.average[own], arrays.parameters[own], averaged)


class Team:
    """The leader's view: use it as a context manager, within which the other processes live."""

    def __init__(self, plan: Plan, ranks: Ranks) -> None:
        self.plan = plan
        self._ranks = ranks
        context = multiprocessing.get_context("spawn")
        # numbers without a lock, in memory that lives as long as one of the processes
        self._memory = [
            context.RawArray("f", max(1, int(np.prod(shape))))
            for shape in SharedArrays.shapes(plan)
        ]
        self.arrays = _arrays(plan, self._memory)
        self._context = context
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._member: Member | None = None

    def __enter__(self) -> "Team":
        self._blas = one_blas_thread()
        self._blas.__enter__()
        self._member = Member(self.plan, self.arrays, 0)
        for number in range(1, self.plan.members):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_work, args=(theirs, self.plan, self._memory, number), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()
        self._pipes, self._processes, self._member = [], [], None
        self._blas.__exit__(None, None, None)

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
        """One update from a segment (T, B) of the whole batch, of which `done` came before.

        averaged: number of these weights in the average, from 1; 0 if they are not for it. fresh:
        every sequence starts from a zero state. contrast: genres to tell apart as well. Gives the
        mean nats per token before the update, and the gradient's norm before it was clipped;
        without a finite norm nothing is updated.
        """
        plan, own, keep = self.plan, self.plan.own_columns, self.kept_states(done, fresh=fresh)
        if contrast is not None:
            contrast = contrast.part(self._ranks.rank, self._ranks.size)
        part = sum(self._all("compute", inputs[:, own], targets[:, own], keep[own], done, contrast))
        self._all("reduce")
        loss = np.array([part])
        self._ranks.sum_in_place(loss)
        self._ranks.sum_in_place(self.arrays.gradients[0])
        norm = float(np.sqrt(sum(self._all("norm"))))
        if np.isfinite(norm):
            scale = clip_scale(norm, plan.clip_norm)
            self._all("update", scale, learning_rate, done + 1, averaged)
        return float(loss[0]), norm

    def kept_states(self, done: int, *, fresh: bool) -> Array:
        """0 for each sequence (B,) of the whole batch that starts from a zero state, else 1."""
        rng = np.random.default_rng([self.plan.random_seed, done])
        keep = (rng.random(self.plan.batch) >= self.plan.drop_state).astype(np.float32)
        return keep * (not fresh)

    def _all(self, name: str, *arguments: Any) -> list[Any]:
        """Every member's result of a method of Member."""
        assert self._member is not None
        try:
            for pipe in self._pipes:
                pipe.send((name, arguments))
            own = getattr(self._member, name)(*arguments)
            results = [own, *(pipe.recv() for pipe in self._pipes)]
        except (EOFError, OSError) as error:
            raise TrainingError(
                "A process of the training has ended by itself, perhaps for want of memory; go on "
                "with --resume, with a smaller --batch or fewer --processes."
            ) from error
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results


def _cut(length: int, parts: int) -> list[slice]:
    """Parts of nearly the same length."""
    edges = np.linspace(0, length, parts + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def state_of(state: Array) -> State:
    """The network's form of the carried state (L, arrays, H, B): views."""
    return tuple(tuple(layer) for layer in state)


def _arrays(plan: Plan, memory: list[Any]) -> SharedArrays:
    return SharedArrays(
        *(
            np.frombuffer(block, np.float32)[: int(np.prod(shape))].reshape(shape)
            for block, shape in zip(memory, SharedArrays.shapes(plan), strict=True)
        )
    )


def _work(pipe: Connection, plan: Plan, memory: list[Any], number: int) -> None:
    """A member's life: do what the leader says until its pipe closes."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # the leader decides when to stop
    member = Member(plan, _arrays(plan, memory), number)
    with one_blas_thread():
        while True:
            try:
                name, arguments = pipe.recv()
            except EOFError:
                return
            method: Callable[..., Any] = getattr(member, name)
            try:
                result = method(*arguments)
            except Exception as error:
                result = error
            try:
                pipe.send(result)
            except OSError:
                return
