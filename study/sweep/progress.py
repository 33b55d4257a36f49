"""What a sweep shows while it runs: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.trial.result import TrialResult

SECONDS_BETWEEN_LINES = 10.0
FINISHED_FOR_A_GUESS = 4


class Progress:
    """Counts finished trials and tells of them.

    Args:
        console: Where to tell; a live display if it is a terminal.
        total: Number of trials of the study.
    """

    def __init__(self, *, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._began = time.monotonic()
        self._before = 0
        self._updates = 0
        self._last_line = 0.0
        self.counts = {"diverged": 0, "survived": 0, "failed": 0}
        self._exploded = 0
        self._live = Live(console=console, get_renderable=self._display, refresh_per_second=4, transient=True)

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def done(self) -> int:
        """Number of finished trials, those of earlier sweeps included."""
        return sum(self.counts.values())

    def count(self, result: TrialResult | None, *, now: bool = True) -> None:
        """Take note of a finished trial (None: it failed); `now` is false for one of an earlier sweep."""
        self.counts[result.outcome.name if result else "failed"] += 1
        self._exploded += result is not None and result.outcome.exploded
        if not now:
            self._before += 1
            return
        self._updates += result.updates if result else 0
        due = time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES or self.done == self._total
        if not self._console.is_terminal and due:
            self._last_line = time.monotonic()
            self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """The state in one line."""
        counts = ", ".join(self._shown(outcome) for outcome, count in self.counts.items() if count)
        rate = f"{self._updates / self._elapsed():.1f} updates/s"
        return f"{self.done}/{self._total} trials: {counts or 'none finished yet'}; {rate}; {self._left()}"

    def _shown(self, outcome: str) -> str:
        exploded = f" ({self._exploded} exploded)" if outcome == "survived" and self._exploded else ""
        return f"{self.counts[outcome]} {outcome}{exploded}"

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._began, 1e-9)

    def _left(self) -> str:
        finished = self.done - self._before
        if self.done >= self._total:
            return f"{shown_duration(self._elapsed())} in all"
        # The first trials to finish are the short ones: a guess from few of them is far too low.
        if finished < FINISHED_FOR_A_GUESS:
            return "time left not known yet"
        return f"about {shown_duration((self._total - self.done) * self._elapsed() / finished)} left"

    def _display(self) -> Group:
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=self._total, completed=self.done, width=30),
            f"{self.done}/{self._total} trials",
            Text(self._shown("diverged"), style="red"),
            Text(self._shown("survived"), style="green"),
            *([Text(self._shown("failed"), style="yellow")] if self.counts["failed"] else []),
            f"{self._updates / self._elapsed():.1f} updates/s",
            self._left(),
        )
        return Group(row)


def shown_duration(seconds: float) -> str:
    """Seconds for a reader: `8 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
