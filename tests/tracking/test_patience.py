from __future__ import annotations

from collections.abc import Callable

import pytest

from study.tracking.patience import Patience, Waiting
from study.trial.errors import UserError


class Away(Exception):
    """What a store that went away raises."""


class Refused(Exception):
    """What a store raises that does not want what it is asked."""


class World:
    """A store, the time and the terminal.

    Args:
        back_at: Seconds after which the store answers.
        refuses: Whether it then refuses.
    """

    def __init__(self, *, back_at: float, refuses: bool = False) -> None:
        self.now = 1000.0
        self.back_at = self.now + back_at
        self.asked: list[float] = []
        self.said: list[str] = []
        self.meanwhile = 0
        self._refuses = refuses

    def ask(self) -> str:
        self.asked.append(self.now)
        if self.now < self.back_at:
            raise Away("nobody there")
        if self._refuses:
            raise Refused("not this")
        return "answer"

    def patience(self, seconds: float, *, meanwhile: Callable[[], None] | None = None) -> Patience:
        return Patience(
            "the store",
            errors=(Away, Refused),
            may_pass=lambda error: isinstance(error, Away),
            reason=str,
            waiting=Waiting(
                seconds=seconds,
                meanwhile=meanwhile or self._count,
                say=self.said.append,
                clock=lambda: self.now,
                sleep=self._sleep,
            ),
        )

    def _count(self) -> None:
        self.meanwhile += 1

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_store_that_answers_is_asked_once_and_nothing_is_said() -> None:
    world = World(back_at=0)
    assert world.patience(60).wait_out(world.ask) == "answer"
    assert (world.asked, world.said, world.meanwhile) == ([1000.0], [], 0)


def test_a_store_that_went_away_is_asked_again_at_pauses_that_double_up_to_five_seconds() -> None:
    world = World(back_at=15)
    assert world.patience(60).wait_out(world.ask) == "answer"
    pauses = [later - earlier for earlier, later in zip(world.asked, world.asked[1:], strict=False)]
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    assert world.meanwhile == len(pauses)
    assert world.said == [
        "the store does not answer (nobody there); waiting up to 60 seconds for it",
        "the store answers again",
    ]


def test_a_store_that_stays_away_is_given_up_in_a_sentence_that_says_how_to_go_on() -> None:
    world = World(back_at=1e9)
    with pytest.raises(UserError) as told:
        world.patience(6).wait_out(world.ask)
    assert str(told.value) == (
        "the store has not answered for 4 seconds (nobody there); every finished trial is kept: "
        "run the same command again when it does"
    )
    assert world.now - 1000 <= 6


def test_what_is_asked_after_giving_up_is_asked_once_only() -> None:
    world = World(back_at=1e9)
    patience = world.patience(6)
    for _ in range(2):
        with pytest.raises(UserError, match="has not answered"):
            patience.wait_out(world.ask)
    assert world.asked.count(world.now) == 2


def test_what_was_given_up_is_told_in_the_same_words_again() -> None:
    world = World(back_at=1e9)
    patience, told = world.patience(6), []
    for _ in range(2):
        with pytest.raises(UserError) as error:
            patience.wait_out(world.ask)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_each_outage_has_the_whole_patience() -> None:
    world = World(back_at=5)
    patience = world.patience(8)
    patience.wait_out(world.ask)
    world.back_at = world.now + 5
    assert patience.wait_out(world.ask) == "answer"


@pytest.mark.parametrize("back_at", [0, 3])
def test_a_refusal_is_told_at_once_and_not_waited_out(back_at: float) -> None:
    world = World(back_at=back_at, refuses=True)
    with pytest.raises(UserError, match=r"^the store refused \(not this\); every finished trial is kept"):
        world.patience(60).wait_out(world.ask)
    assert world.now - 1000 <= 2 * back_at + 0.5


def test_what_may_have_been_done_is_not_done_again_but_looked_for() -> None:
    world = World(back_at=2)
    done: list[str] = []

    def look() -> str:
        world.ask()
        return "found"

    def write() -> str:
        done.append("written")
        return world.ask()

    assert world.patience(60).wait_out(write, again=look) == "found"
    assert done == ["written"]


def test_somebody_who_stops_the_sweep_ends_the_waiting() -> None:
    world = World(back_at=1e9)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.patience(60, meanwhile=stop).wait_out(world.ask)
    assert world.asked == [1000.0]


def test_an_error_that_is_none_of_the_store_is_nobody_s_outage() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        World(back_at=0).patience(60).wait_out(broken)
