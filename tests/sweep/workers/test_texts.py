"""What workers make of trials that have ended, as texts."""

from __future__ import annotations

from study.sweep.workers.dask import DaskWorkers
from tests.sweep.made_up import made_up


def text(place: str, asked: str) -> str:
    return f"{place} of {asked}"


def test_texts_that_are_asked_for_one_after_the_other_are_all_there() -> None:
    with DaskWorkers(count=2, population=4, train=made_up) as workers:
        for asked in ("pages", "causes", "more", "and more"):
            calls = [(str(place), asked) for place in range(6)]
            found = dict(workers.apply(text, calls, stop=lambda: False))
            assert found == {place: f"{place} of {asked}" for place in range(6)}
