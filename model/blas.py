"""Threads in BLAS: one, where our own threads or a busy machine would fight with BLAS's.

Several BLAS threads wait for each other by spinning: beside any other load, the small products of
a recurrent step then take up to ten times longer than on one thread.
"""

from contextlib import AbstractContextManager
from functools import cache

import threadpoolctl


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()  # looks the libraries up, so it is made once


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Within it, this process's BLAS computes on so many threads."""
    limiter: AbstractContextManager[object] = _controller().limit(limits=count, user_api="blas")
    return limiter


def one_blas_thread() -> AbstractContextManager[object]:
    """Within it, this process's BLAS computes on the calling thread alone."""
    return blas_threads(1)
