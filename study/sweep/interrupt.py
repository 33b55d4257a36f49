"""Ctrl-C and SIGTERM as an event, so that no write is cut in two."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[Event]:
    """Turn the first Ctrl-C or SIGTERM into an event; the second one raises `KeyboardInterrupt` at once.

    Enter it before heavy packages are imported: an exception that a signal raises in the midst of an import can
    be swallowed there.
    """
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    handlers = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def raise_if_stopped(stop: Event) -> None:
    """Raise `KeyboardInterrupt` where nothing is under way that it could cut in two."""
    if stop.is_set():
        raise KeyboardInterrupt
