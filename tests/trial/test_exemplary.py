"""Which trials are worth looking at: the soonest, the middle, the latest, and the middle of each group."""

from __future__ import annotations

from study.trial.divergence import NONFINITE
from study.trial.exemplary import Ended, exemplary

WORDS = NONFINITE.words


def ended(*times: int, group: str | None = None, first: int = 0) -> list[Ended]:
    return [Ended(number=number, time=time, group=group) for number, time in enumerate(times, start=first)]


def test_the_soonest_the_middle_and_the_latest_are_told_in_the_order_of_their_times() -> None:
    # In order of time and number: 1 5 2 4 3 0 6.
    assert exemplary(ended(9, 3, 5, 8, 7, 3, 9), WORDS) == {1: "soonest NaN", 4: "middle time-to-NaN", 0: "latest NaN"}


def test_of_an_even_number_the_lower_one_is_the_middle() -> None:
    assert list(exemplary(ended(1, 2, 3, 4), WORDS)) == [0, 1, 3]


def test_each_group_has_the_one_in_its_middle_and_a_trial_stands_for_all_that_it_is() -> None:
    trials = [*ended(4, 6, 8, group="relu"), *ended(5, 7, group="elu", first=3)]
    assert exemplary(trials, WORDS) == {
        0: "soonest NaN",
        3: "middle of elu",
        1: "middle time-to-NaN, middle of relu",
        2: "latest NaN",
    }


def test_the_order_in_which_trials_come_changes_nothing() -> None:
    trials = [*ended(9, 3, 5, 8, 3, group="relu"), *ended(5, 7, 3, group="elu", first=5)]
    assert list(exemplary(trials[::-1], WORDS).items()) == list(exemplary(trials, WORDS).items())


def test_one_trial_stands_for_everything_and_none_for_nothing() -> None:
    assert exemplary(ended(5), WORDS) == {0: "soonest NaN, middle time-to-NaN, latest NaN"}
    assert exemplary([], WORDS) == {}
