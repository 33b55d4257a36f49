"""What a diagnosis shows while it runs: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.status import Status

from study.sweep.progress import SECONDS_BETWEEN_LINES, shown_duration


class Steps:
    """Tells what is being done.

    Args:
        console: Where to tell; a live line if it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console)
        self._last_line = 0.0

    def __enter__(self) -> Steps:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def say(self, sentence: str) -> None:
        """A new step; it stays to be read."""
        self._console.print(f"{sentence} ...", highlight=False, soft_wrap=True)
        self._status.update(sentence)
        self._last_line = time.monotonic()

    @contextmanager
    def training(self, title: str, updates: int) -> Iterator[Callable[[int, float], None]]:
        """The training of the unchanged model.

        Args:
            title: Of its configuration.
            updates: Its budget.

        Yields:
            What is to be told the number and the loss of every update.
        """
        self.say(f"training as it is: {title}, up to {updates} updates")
        first: list[float] = []

        def on_update(update: int, loss: float) -> None:
            now = time.monotonic()
            first.append(now)
            if len(first) < 2 or now == first[0]:
                return
            pace = (now - first[0]) / (len(first) - 1)
            left = shown_duration(pace * (updates - update))
            line = f"update {update} of {updates}: loss {loss:.6g}; {pace:.2g} s an update; at most {left} left"
            self._status.update(line)
            if not self._console.is_terminal and now - self._last_line >= SECONDS_BETWEEN_LINES:
                self._last_line = now
                self._console.print(line, highlight=False, soft_wrap=True)

        yield on_update
