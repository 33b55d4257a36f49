from __future__ import annotations

import json
import signal
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from study import engine
from study.cli import losses
from study.cli.losses import Losses
from study.trial.config import TrialConfig
from study.trial.result import TrialResult
from tests.cli.conftest import Cli

LOSSES = (0.75, 0.5, 0.25)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that tests turn."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(losses, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts an engine in place whose trial has the losses LOSSES, and does something before each."""

    def put(before: Callable[[int], None] = lambda update: None) -> None:
        def run(configs: list[TrialConfig], **how: object) -> list[TrialResult]:
            for update, loss in enumerate(LOSSES, start=1):
                before(update)
                how["on_update"](0, update, loss)  # type: ignore[operator]
            result = TrialResult(config=configs[0], loss=LOSSES, engine="compiled", device="CPU", seconds=0.1)
            return [result]

        monkeypatch.setattr(engine, "import_module", lambda name: SimpleNamespace(run=run))

    return put


SMALL = ("trial", "--set", "updates=3")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_says_that_nothing_of_it_is_kept(
    cli: Cli, trained: Callable[..., None], number: signal.Signals
) -> None:
    trained(lambda update: signal.raise_signal(number) if update == 2 else None)
    answer = cli(*SMALL)
    assert answer.exit_code == 130
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        "update 2 of 3: loss 0.5",
        "Interrupted; nothing is kept of a single trial, and the same command trains it anew.",
    ]


def test_a_long_trial_shows_its_losses_as_they_come(
    cli: Cli, trained: Callable[..., None], clock: SimpleNamespace
) -> None:
    trained(lambda update: setattr(clock, "now", 15.0 * update))
    answer = cli(*SMALL, "--json")
    assert json.loads(answer.stdout)["loss"] == list(LOSSES)
    assert answer.stderr.splitlines() == [
        "update 2 of 3: loss 0.5; 0.067 updates/s; at most 15 s left",
        "update 3 of 3: loss 0.25; 0.067 updates/s; at most 0 s left",
    ]


def test_a_short_trial_prints_its_losses_once(cli: Cli, trained: Callable[..., None]) -> None:
    trained()
    answer = cli(*SMALL)
    assert answer.stderr == ""
    assert [float(line.split()[1]) for line in answer.stdout.splitlines()[:3]] == list(LOSSES)


def test_lines_are_at_least_ten_seconds_apart(clock: SimpleNamespace) -> None:
    console = Console(file=StringIO(), width=200)
    with Losses(console, updates=100) as shown:
        for update in range(1, 101):
            clock.now = update / 4
            shown.show(update, 0.5)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [int(line.split()[1]) for line in lines] == [41, 81]


def test_a_terminal_shows_the_latest_loss_live_and_clears_it(clock: SimpleNamespace) -> None:
    console = Console(file=StringIO(), width=200, force_terminal=True, color_system=None)
    with Losses(console, updates=100) as shown:
        shown.show(7, 0.125)
        clock.now = 1.0
        shown.show(8, float("nan"))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "update 8 of 100: loss nan" in written
    assert written.endswith(("\x1b[2K", "\x1b[?25h"))


def test_want_of_memory_is_one_sentence_and_no_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(configs: list[TrialConfig], **how: object) -> None:
        raise MemoryError("Unable to allocate 15.6 GiB")

    monkeypatch.setattr(engine, "import_module", lambda name: SimpleNamespace(run=run))
    answer = cli(*SMALL)
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("Error: the trial needs more memory than there is (Unable to allocate 15.6 GiB)")
