"""A bounded queue with fair turns: round robin over those who ask, first come first served within.

Nagle, "On packet switches with infinite storage" (RFC 970, 1985): each has a queue of its own, and
the turn goes round, so that whoever asks for much delays only himself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from bot.errors import Busy

T = TypeVar("T")

SPACES = 32  # as many spaces can fill their places; more than that is refused to all together


class Turns(Generic[T]):
    """Who waits, by space. For many threads; only `wait` takes longer than microseconds.

    bound: how many may wait in one space.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._spaces: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()  # the next one first
        self._served = ""  # the space whose turn was the last
        self._length = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._length

    @property
    def closed(self) -> bool:
        """Whether no more turns are given."""
        return self._closed

    def add(self, space: str, item: T) -> None:
        """Let an item wait, once. Raises Busy when too many wait already."""
        with self._changed:
            here = len(self._spaces.get(space, ()))
            if here >= self._bound:
                raise _busy(here)
            if self._length >= self._bound * SPACES:
                raise _busy(self._length)
            self._spaces.setdefault(space, OrderedDict())[item] = None
            self._length += 1
            self._changed.notify()

    def next(self) -> T | None:
        """Whose turn it is, who goes on waiting; None when nobody does.

        The space that was served last comes after all others, those that have only just asked
        included.
        """
        with self._changed:
            if self._served in self._spaces:
                self._spaces.move_to_end(self._served)
            return next((item for places in self._spaces.values() for item in places), None)

    def take(self, space: str, item: T) -> bool:
        """Give an item of this space its turn; False when it does not wait (any more)."""
        with self._changed:
            waited = self.remove(space, item)
            if waited:
                self._served = space
            return waited

    def remove(self, space: str, item: T) -> bool:
        """Let an item of this space go without a turn; False when it does not wait (any more)."""
        with self._changed:
            places = self._spaces.get(space)
            if places is None or item not in places:
                return False
            del places[item]
            if not places:
                del self._spaces[space]
            self._length -= 1
            return True

    def wait(self, seconds: float) -> bool:
        """Until somebody waits for a turn, or so long; False once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._length, seconds)
            return not self._closed

    def close(self) -> None:
        """Give no more turns; who waits in `wait` goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _busy(waiting: int) -> Busy:
    return Busy(f"{waiting} lyrics are waiting to be written: try again in a minute.")
