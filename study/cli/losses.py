"""The losses of a trial as they come, on standard error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from study.cli.command import interruptible, plain_console
from study.sweep.progress import SECONDS_BETWEEN_LINES, shown_duration

NOT_KEPT = "nothing is kept of a single trial, and the same command trains it anew"
"""What an interrupted trial says of its work."""


@contextmanager
def followed(updates: int) -> Iterator[Callable[[int, float], None]]:
    """Follow a trial while it trains, and let Ctrl-C and SIGTERM end it between two updates.

    Enter it before heavy packages are imported, as `study.sweep.interrupt` says.

    Args:
        updates: The trial's budget.

    Yields:
        What an engine is to tell the number and the loss of every update.
    """
    from study.sweep.interrupt import raise_if_stopped

    with interruptible(NOT_KEPT) as stop, Losses(plain_console(stderr=True), updates=updates) as losses:

        def on_update(update: int, loss: float) -> None:
            losses.show(update, loss)
            raise_if_stopped(stop)

        yield on_update
        raise_if_stopped(stop)


class Losses:
    """Shows the latest loss: live in a terminal, elsewhere as a line every SECONDS_BETWEEN_LINES.

    A trial that takes less than that, compiling aside, leaves no trace: its losses are printed when it has ended.

    Args:
        console: Where to show it.
        updates: The trial's budget.
    """

    def __init__(self, console: Console, *, updates: int) -> None:
        self._console = console
        self._updates = updates
        self._last_line = math.inf
        self._first: tuple[int, float] | None = None
        self._update = 0
        self._loss = 0.0
        self._live = Live(
            console=console,
            get_renderable=self._display,
            refresh_per_second=4,
            transient=True,
            # Where the code under training has redirected it meanwhile, it would be put back wrongly.
            redirect_stdout=False,
        )

    def __enter__(self) -> Losses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if isinstance(error, KeyboardInterrupt) and self._update:
            self._console.print(self._state(), highlight=False)

    def show(self, update: int, loss: float) -> None:
        """Take note of an update's loss."""
        now = time.monotonic()
        self._update, self._loss = update, loss
        if self._first is None:
            # The time before is that of compiling, and says nothing of the time that is left.
            self._first, self._last_line = (update, now), now
        if self._console.is_terminal:
            self._live.start()
        elif now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(f"{self._state()}{self._pace()}", soft_wrap=True, highlight=False)

    def _state(self) -> str:
        return f"update {self._update} of {self._updates}: loss {self._loss:.6g}"

    def _pace(self) -> str:
        if self._first is None or self._update == self._first[0]:
            return ""
        update, began = self._first
        rate = (self._update - update) / max(time.monotonic() - began, 1e-9)
        return f"; {rate:.2g} updates/s; at most {shown_duration((self._updates - self._update) / rate)} left"

    def _display(self) -> Text:
        return Text(f"{self._state()}{self._pace()}", no_wrap=True, overflow="ellipsis")
