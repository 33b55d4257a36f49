from __future__ import annotations

import signal
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from study.space.search_space import Choices, SearchSpace
from study.sweep.interrupt import raise_if_stopped, stop_on_signals
from study.sweep.loop import run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.inline import InlineWorkers
from study.trial.errors import UserError
from study.trial.home import Home

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Whatever a test leaves, the next one has the handlers of before."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_first_signal_cuts_nothing_in_two_and_the_second_ends_it_at_once(
    first: signal.Signals, second: signal.Signals
) -> None:
    written = []

    def write() -> None:
        with stop_on_signals() as stop:
            signal.raise_signal(first)
            assert stop.is_set()
            written.append("to its end")
            signal.raise_signal(second)
            written.append("never")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["to its end"]


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_mean_afterwards_what_they_meant_before(number: signal.Signals) -> None:
    met = []
    signal.signal(number, lambda *_: met.append(number))
    with stop_on_signals():
        pass
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        raise KeyboardInterrupt
    signal.raise_signal(number)
    assert met == [number]


def test_stopping_waits_for_the_one_who_asks() -> None:
    stop = Event()
    raise_if_stopped(stop)
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        raise_if_stopped(stop)


class GoneWorkers(InlineWorkers):
    """Workers that are gone, in some cases by what stops the sweep, too."""

    def __init__(self, stop: Event, *, stopped: bool) -> None:
        super().__init__()
        self._stop, self._stopped = stop, stopped

    def collect(self, *, timeout: float) -> None:
        if self._stopped:
            self._stop.set()
        raise UserError("the workers are gone")


def test_workers_that_end_with_the_signal_that_stops_the_sweep_are_no_fault(home: Path) -> None:
    space = SearchSpace(
        about="", fixed={}, parameters={"units": Choices(values=(2, 4))}, updates=3, trials=2, sampler="grid"
    )
    stop = Event()

    def interrupted(*, stopped: bool) -> bool:
        return run_sweep(
            space,
            SweepOptions(name="s"),
            home=Home.find(),
            console=Console(file=StringIO()),
            stop=stop,
            workers=lambda at_most: GoneWorkers(stop, stopped=stopped),
        ).interrupted

    with pytest.raises(UserError, match="the workers are gone"):
        interrupted(stopped=False)
    assert interrupted(stopped=True)
