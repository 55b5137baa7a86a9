"""Turns go round over the spaces, and no space can take the places of another."""

from __future__ import annotations

import threading

import pytest

from bot.errors import Busy
from bot.turns import SPACES, Turns
from tests.bot.fakes import PATIENCE


def served(turns: Turns[str]) -> list[str]:
    """All that wait, in the order of their turns. An item is named after its space: "a1"."""
    order = []
    while (item := turns.next()) is not None:
        assert turns.take(item[0], item)
        order.append(item)
    return order


def waiting(*items: str, bound: int = 10) -> Turns[str]:
    turns: Turns[str] = Turns(bound)
    for item in items:
        turns.add(item[0], item)
    return turns


def test_within_a_space_the_first_come_is_the_first_served() -> None:
    assert served(waiting("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_turns_go_round_over_the_spaces() -> None:
    turns = waiting("a1", "a2", "a3", "b1", "c1", "c2")
    assert served(turns) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_space_that_has_just_asked_comes_before_the_one_that_was_served_last() -> None:
    turns = waiting("a1", "a2", "a3")
    assert turns.take("a", "a1")
    turns.add("b", "b1")
    assert served(turns) == ["b1", "a2", "a3"]


def test_a_space_that_asks_again_and_again_does_not_keep_another_from_its_turn() -> None:
    turns = waiting("a1", "b1")
    assert turns.take("a", "a1")
    turns.add("a", "a2")
    assert turns.next() == "b1"


def test_looking_who_is_next_gives_no_turn() -> None:
    turns = waiting("a1", "a2", "b1")
    assert turns.take("a", "a1")
    assert turns.next() == turns.next() == "b1"
    assert len(turns) == 2


def test_an_item_that_goes_frees_its_place_and_costs_its_space_no_turn() -> None:
    turns = waiting("a1", "a2", "b1", bound=2)
    assert turns.remove("a", "a1")
    turns.add("a", "a3")
    assert served(turns) == ["a2", "b1", "a3"]


def test_an_item_that_does_not_wait_can_be_neither_taken_nor_removed() -> None:
    turns = waiting("a1")
    assert not turns.take("a", "a2")
    assert not turns.remove("b", "a1")
    assert turns.remove("a", "a1")
    assert not turns.take("a", "a1")
    assert len(turns) == 0


def test_a_space_with_all_its_places_taken_is_refused_and_no_other() -> None:
    turns = waiting("a1", "a2", bound=2)
    with pytest.raises(Busy, match="2 lyrics are waiting"):
        turns.add("a", "a3")
    turns.add("b", "b1")
    assert served(turns) == ["a1", "b1", "a2"]


def test_all_spaces_together_have_a_bound_too() -> None:
    turns: Turns[int] = Turns(1)
    for space in range(SPACES):
        turns.add(str(space), space)
    with pytest.raises(Busy, match=f"{SPACES} lyrics are waiting"):
        turns.add("one more", SPACES)


def test_waiting_ends_when_somebody_asks() -> None:
    turns: Turns[str] = Turns(1)
    thread = threading.Timer(0, turns.add, ("a", "a1"))
    thread.start()
    assert turns.wait(PATIENCE)
    assert turns.next() == "a1"
    thread.join()


def test_waiting_ends_when_it_is_closed() -> None:
    turns: Turns[str] = Turns(1)
    thread = threading.Timer(0, turns.close)
    thread.start()
    assert not turns.wait(PATIENCE)
    assert turns.closed
    thread.join()
