"""Several programs that train one model together, by MPI: `mpirun -n 4 python -m model train ...`.

Each program (a "rank") reads its own columns of every batch; gradients are added up at each step,
so all hold the same weights, and the result is that of one program with the whole batch. Rank 0
decides what depends on the clock, validates, and writes; the others only compute. Without mpirun
there is one rank, and mpi4py need not be installed.
"""

import os
from typing import Any, Protocol

import numpy as np

from model.errors import TrainingError
from model.recurrence import Array

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS")  # set by mpirun


class Ranks(Protocol):
    """All programs of a run, seen from one of them."""

    rank: int  # of this one, from 0
    size: int

    def sum_in_place(self, array: Array) -> None:
        """Every rank's array becomes the sum of all."""

    def from_first(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""

    def wait(self) -> None:
        """Go on when every rank has come here."""

    def joined(self, array: Array) -> Array:
        """All ranks' arrays side by side along the last axis, on rank 0; elsewhere anything."""


class Alone:
    """One program."""

    rank = 0
    size = 1

    def sum_in_place(self, array: Array) -> None:
        pass

    def from_first(self, value: Any) -> Any:
        return value

    def wait(self) -> None:
        pass

    def joined(self, array: Array) -> Array:
        return array


class MPIRanks:
    """The programs that mpirun started."""

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self.rank: int = communicator.Get_rank()
        self.size: int = communicator.Get_size()

    def sum_in_place(self, array: Array) -> None:
        from mpi4py import MPI

        self._communicator.Allreduce(MPI.IN_PLACE, array, op=MPI.SUM)

    def from_first(self, value: Any) -> Any:
        return self._communicator.bcast(value, root=0)

    def wait(self) -> None:
        self._communicator.Barrier()

    def joined(self, array: Array) -> Array:
        parts = self._communicator.gather(np.ascontiguousarray(array), root=0)
        return array if parts is None else np.concatenate(parts, axis=-1)


def ranks_of_this_run() -> Ranks:
    """The programs that mpirun started, or this one alone.

    Raises TrainingError under mpirun when mpi4py is missing: every rank would train by itself.
    """
    if not any(name in os.environ for name in LAUNCHERS):
        return Alone()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise TrainingError(
            f"mpirun started this, but mpi4py cannot be used ({error}): "
            "install it with `pip install mpi4py`, or start without mpirun."
        ) from error
    return MPIRanks(MPI.COMM_WORLD)
