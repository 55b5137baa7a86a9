"""Small trainings side by side: the same results in other processes, and errors in words."""

import operator
from dataclasses import replace

import pytest

from model.errors import TrainingError
from model.experiment import side_by_side
from model.recall import RecallTraining, train_recall

SHORT = RecallTraining(
    cell="rnn",
    distance=3,
    symbols=2,
    hidden=4,
    batch=4,
    steps=3,
    learning_rates=(0.01,),
    random_seed=1,
)


def test_processes_give_the_results_of_one_process_in_the_order_of_the_jobs() -> None:
    jobs = [replace(SHORT, distance=distance) for distance in (5, 3, 4)]
    heard: list[tuple[int, float]] = []

    alone = side_by_side(train_recall, jobs, lambda *_: None, processes=1)
    beside = side_by_side(train_recall, jobs, lambda *told: heard.append(told), processes=2)

    assert [replace(result, seconds=0) for result in beside] == [
        replace(result, seconds=0) for result in alone
    ]
    assert {number for number, share in heard if share == 1} == {0, 1, 2}


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_training_refuses_is_raised_where_it_was_started(processes: int) -> None:
    diverging = replace(SHORT, learning_rates=(1e38,))

    with pytest.raises(TrainingError, match="learning rate"):
        side_by_side(train_recall, [SHORT, diverging], lambda *_: None, processes=processes)


def test_a_process_that_ends_without_a_result_is_told_of() -> None:
    # operator.add fails at a number and a function, for which no error in words is made
    with pytest.raises(TrainingError, match="without a result"):
        side_by_side(operator.add, [1, 2], lambda *_: None, processes=2)
