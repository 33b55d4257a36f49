from __future__ import annotations

import math
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from study.sweep import progress
from study.sweep.progress import Progress, shown_duration
from study.trial.config import TrialConfig
from study.trial.result import TrialResult


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that tests turn."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def ended(updates: int, *, diverged: bool) -> TrialResult:
    loss = (0.5,) * (updates - 1) + (math.nan if diverged else 0.5,)
    return TrialResult(config=TrialConfig(updates=updates), loss=loss, engine="compiled", device="CPU", seconds=0.1)


def shown(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def plain() -> Console:
    return Console(file=StringIO(), width=200)


def test_every_outcome_is_counted_and_the_rate_is_that_of_this_sweep(clock: SimpleNamespace) -> None:
    counted = Progress(console=plain(), total=10)
    counted.count(ended(40, diverged=True), now=False)
    clock.now += 20
    counted.count(ended(30, diverged=True))
    counted.count(ended(10, diverged=False))
    counted.count(None)
    assert counted.counts == {"diverged": 2, "survived": 1, "failed": 1}
    assert counted.done == 4
    assert counted.line() == ("4/10 trials: 2 diverged, 1 survived, 1 failed; 2.0 updates/s; time left not known yet")


def test_the_time_left_is_that_of_as_many_trials_at_the_pace_so_far(clock: SimpleNamespace) -> None:
    counted = Progress(console=plain(), total=14)
    for _ in range(2):
        counted.count(ended(10, diverged=False), now=False)
    for _ in range(6):
        clock.now += 25
        counted.count(ended(10, diverged=False))
    # 6 trials took 150 s, and 6 are left.
    assert counted.line().endswith("; about 2 min 30 s left")


def test_a_study_that_is_complete_says_how_long_it_took(clock: SimpleNamespace) -> None:
    counted = Progress(console=plain(), total=1)
    clock.now += 3700
    counted.count(ended(10, diverged=False))
    assert counted.line().endswith("; 1 h 1 min in all")


def test_before_the_first_trial_nothing_is_guessed(clock: SimpleNamespace) -> None:
    assert Progress(console=plain(), total=2).line() == (
        "0/2 trials: none finished yet; 0.0 updates/s; time left not known yet"
    )


def test_lines_are_ten_seconds_apart_and_the_last_trial_has_one(clock: SimpleNamespace) -> None:
    console = plain()
    with Progress(console=console, total=101) as counted:
        for _ in range(101):
            counted.count(ended(10, diverged=False))
            clock.now += 0.25
    assert [int(line.split("/")[0]) for line in shown(console)] == [1, 41, 81, 101]


def test_trials_of_an_earlier_sweep_get_no_line(clock: SimpleNamespace) -> None:
    console = plain()
    with Progress(console=console, total=2) as counted:
        counted.count(ended(10, diverged=False), now=False)
        counted.count(None, now=False)
    assert shown(console) == []


def test_a_terminal_shows_the_counts_live_and_is_left_clean(clock: SimpleNamespace) -> None:
    console = Console(file=StringIO(), width=200, force_terminal=True, color_system=None)
    with Progress(console=console, total=3) as counted:
        counted.count(ended(10, diverged=True))
        counted.count(None)
    written = "\n".join(shown(console))
    assert "2/3 trials  1 diverged  0 survived  1 failed" in written
    assert "trials: " not in written
    assert written.endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert shown_duration(seconds) == words
