from __future__ import annotations

import signal
from collections.abc import Iterator
from threading import Event

import pytest

from study.sweep.interrupt import raise_if_stopped, stop_on_signals

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
