"""Small trainings that show what a cell can learn in minutes, run side by side.

One step is Adam (Kingma & Ba 2015) on a gradient clipped by its norm (Pascanu et al. 2013). Each
experiment has a process of its own on one core: the arrays are too small to share out, and threads
would wait for the interpreter's lock. Weights to keep come from `training.py`.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

import numpy as np

from model.blas import one_blas_thread
from model.errors import ModelError, TrainingError
from model.network import Ids, Network
from model.optimizers import Adam, clip_scale, squared_norm
from model.recurrence import Array

CLIP_NORM = 1.0  # largest norm of the whole gradient
REPORTS = 200  # of progress that an experiment sends, at most

Job = TypeVar("Job")
Result = TypeVar("Result")
Report = Callable[[float], None]  # takes the share that is done, 0 to 1


class Descent:
    """Changes a network's parameters in place, step by step."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._adam = Adam()
        self._slots = np.zeros((Adam.slots, network.vector.size), network.dtype)
        self._gradient = np.empty_like(network.vector)
        self._buffers = network.buffers()
        self._steps = 0

    def step(self, ids: Ids, targets: Ids, weights: Array, learning_rate: float) -> float:
        """One step from ids, targets, weights (T, B), back through all T; the loss before it.

        The state before the first token is zero. Raises TrainingError for a loss not finite.
        """
        network = self._network
        with np.errstate(over="ignore", invalid="ignore"):  # the norm tells of it
            result = network.loss_and_gradients(
                ids,
                targets,
                weights,
                network.zero_state(ids.shape[1]),
                vector=self._gradient,
                buffers=self._buffers,
            )
            norm = squared_norm(self._gradient) ** 0.5
        if not np.isfinite(norm):
            raise TrainingError("The loss is no longer finite: take a lower learning rate.")
        self._gradient *= clip_scale(norm, CLIP_NORM)
        self._steps += 1
        self._adam.update(network.vector, self._gradient, self._slots, learning_rate, self._steps)
        return result.loss


@dataclass(frozen=True)
class _Done(Generic[Result]):
    """The last message of a process."""

    result: Result | ModelError


def side_by_side(
    work: Callable[[Job, Report], Result],
    jobs: Sequence[Job],
    progress: Callable[[int, float], None],
    processes: int = 0,
) -> list[Result]:
    """The result of `work` on each job, so many at a time (0: one a core), in the jobs' order.

    work: a function of a module, so that another process can find it; it tells the share that is
    done. progress hears a job's number and its share. What `work` raises of ModelError is raised
    here, and TrainingError when a process ends without a result; the others are then stopped.
    """
    at_once = min(processes or os.cpu_count() or 1, len(jobs))
    if at_once <= 1:
        with one_blas_thread():
            return [work(job, partial(progress, number)) for number, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")
    waiting = list(enumerate(jobs))[::-1]
    running: dict[Connection, tuple[int, SpawnProcess]] = {}
    results: dict[int, Result] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, job = waiting.pop()
                ours, theirs = context.Pipe()
                process: SpawnProcess = context.Process(
                    target=_run, args=(theirs, work, job), daemon=True
                )
                process.start()
                theirs.close()
                running[ours] = number, process
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                number, process = running[connection]
                message: float | _Done[Result] = _received(connection)
                if isinstance(message, float):
                    progress(number, message)
                    continue
                if isinstance(message.result, ModelError):
                    raise message.result
                results[number] = message.result
                del running[connection]
                process.join()
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
    return [results[number] for number in range(len(jobs))]


def _received(connection: Connection) -> "float | _Done[Result]":
    try:
        message: float | _Done[Result] = connection.recv()
    except EOFError as error:
        raise TrainingError(
            "One of the trainings ended without a result: is there enough memory? "
            "Smaller sizes take less."
        ) from error
    return message


def _run(connection: Connection, work: Callable[[Job, Report], Result], job: Job) -> None:
    """What a process does; Ctrl-C is for the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = 0.0

    def report(share: float) -> None:
        nonlocal told
        if share >= told + 1 / REPORTS or share >= 1:
            told = share
            connection.send(float(share))

    done: _Done[Result]
    with one_blas_thread():
        try:
            done = _Done(work(job, report))
        except ModelError as error:
            done = _Done(error)
    connection.send(done)
