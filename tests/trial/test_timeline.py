from __future__ import annotations

import math

from study.trial.timeline import TIMELINE, timeline
from study.trial.words import EVENTS, PHASES
from tests.trial.results import LOSSES

NEVER = dict.fromkeys(EVENTS, 0)


def test_the_timeline_counts_a_weight_for_the_update_that_starts_from_it() -> None:
    told = timeline(dict.fromkeys(EVENTS, 8), LOSSES)
    assert told == {**dict.fromkeys(EVENTS, 8), "weight": 9, "loss_exceeded": 3}
    assert set(timeline(NEVER, (0.5, 10.0)).values()) == {None}


def test_a_loss_that_is_infinite_does_not_count_as_exceeded() -> None:
    assert timeline(NEVER, (1.0, math.inf))["loss_exceeded"] is None
    assert timeline(NEVER, (1.0, 10.1, math.nan))["loss_exceeded"] == 2


def test_the_order_in_which_events_come_does_not_matter() -> None:
    first = {event: number for number, event in enumerate(EVENTS, start=1)}
    assert timeline(dict(reversed(first.items())), LOSSES) == timeline(first, LOSSES)


def test_events_come_in_the_order_of_the_phases() -> None:
    places = [list(PHASES).index(event.phase) for event in EVENTS.values()]
    assert places == sorted(places)
    assert list(TIMELINE)[:-1] == list(EVENTS)
