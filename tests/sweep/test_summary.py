from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from study.analysis.survival.kaplan_meier import kaplan_meier
from study.space.search_space import Choices, Range, SearchSpace
from study.sweep import summary
from study.sweep.loop import SweepReport
from study.sweep.summary import summarise
from study.trial.home import Home
from tests.analysis.made_up_trials import results_table

RELU_OR_TANH = Choices(values=("relu", "tanh"))


def space(**parameters: Choices | Range) -> SearchSpace:
    return SearchSpace(about="", fixed={}, parameters=parameters, updates=20, trials=6)


def printed(report: SweepReport, *, name: str = "mine", of: SearchSpace) -> list[str]:
    console = Console(file=StringIO(), width=200)
    summarise(report, name=name, space=of, home=Home.find(), console=console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.fixture
def report(home: Path) -> SweepReport:
    """relu goes to NaN at 3, 5 and 9, tanh survives twice and fails once."""
    table = results_table(
        [3, 5, 9, 99, 99, 99],
        budget=20,
        failed=(5,),
        activation=["relu"] * 3 + ["tanh"] * 3,
        clipnorm=[1.0, np.nan] * 3,
    )
    return SweepReport(table=table, interrupted=False, experiment_id="1")


def rows(lines: list[str]) -> dict[str, list[str]]:
    return {words[0]: words[1:] for line in lines if (words := line.split())}


def test_trials_are_counted_by_the_first_axis_with_choices(report: SweepReport) -> None:
    found = rows(printed(report, of=space(learning_rate=Range(low=1e-4, high=1, whole=False), activation=RELU_OR_TANH)))
    assert found["activation"] == ["trials", "diverged", "soonest", "median", "survived", "failed"]
    assert found["relu"] == ["3", "3", "(100%)", "3", "5", "0", "0"]
    assert found["tanh"] == ["3", "0", "(0%)", ">20", "2", "1"]
    assert found["all"] == ["6", "3", "(50%)", "3", "9", "2", "1"]  # of 3, 5, 9 and two beyond 20


@pytest.mark.parametrize("seed", range(12))
def test_the_median_is_that_of_the_report(home: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    number = int(draw.integers(1, 30))
    table = results_table(draw.integers(1, 30, number), budget=[int(one) for one in draw.choice([10, 20, 40], number)])
    median = kaplan_meier(table).curves[0].median
    report = SweepReport(table=table, interrupted=False, experiment_id="1")
    row = rows(printed(report, of=space(activation=RELU_OR_TANH)))["all"]
    shown = row[-3]  # survived and failed come after it
    assert shown == (f">{table['updates'].max()}" if np.isnan(median) else f"{median:g}")


@pytest.mark.parametrize(
    ("axis", "values"), [("recurrent_dropout", (0.0, 0.5)), ("recurrent_activation", ("sigmoid", "tanh"))]
)
def test_every_count_keeps_its_name_in_a_narrow_terminal(
    home: Path, axis: str, values: tuple[float | str, ...]
) -> None:
    varied: dict[str, Any] = {axis: [values[0]] * 2 + [values[1]] * 2}
    table = results_table([3, 99, 99, 99], budget=20, failed=(3,), **varied)
    table["exploded"] = [False, True, False, None]
    console = Console(file=StringIO(), width=80)
    report = SweepReport(table=table, interrupted=False, experiment_id="1")
    summarise(report, name="mine", space=space(**{axis: Choices(values=values)}), home=Home.find(), console=console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    names = "trials diverged soonest median survived exploded failed"
    assert any(" ".join(line.split()).endswith(names) for line in lines)
    assert rows(lines)[str(values[1])] == ["2", "0", "(0%)", ">20", "1", "0", "1"]
    assert "1 failed: the same command with --retry-failed tries it again" in lines


def test_a_value_that_is_unset_is_written_as_it_is_in_files(report: SweepReport) -> None:
    assert rows(printed(report, of=space(clipnorm=Choices(values=(None, 1.0)))))["none"][0] == "3"


def test_an_axis_with_more_choices_than_a_screen_has_rows_is_no_summary(home: Path) -> None:
    rates = np.linspace(1e-4, 1e-2, 1500)
    report = SweepReport(
        table=results_table([3] * 1500, budget=20, learning_rate=rates, activation=["relu", "tanh"] * 750),
        interrupted=False,
        experiment_id="1",
    )
    many = Choices(values=tuple(float(rate) for rate in rates))
    assert len(printed(report, of=space(learning_rate=many))) < 12
    found = rows(printed(report, of=space(learning_rate=many, activation=RELU_OR_TANH)))
    assert found["relu"][0] == found["tanh"][0] == "750"


def test_the_commands_that_show_more_can_be_pasted_into_a_shell(
    report: SweepReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "it's [/mine] :boom: $HOME"
    last = printed(report, name=name, of=space(activation=RELU_OR_TANH))[-1]
    assert shlex.split(last.partition(", or ")[2]) == ["study", "results", name]
    assert "make ui" in last
    monkeypatch.setattr(summary, "checkout", lambda: None)
    assert "study ui (MLflow)" in printed(report, of=space(activation=RELU_OR_TANH))[-1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert "http://127.0.0.1:5000/#/experiments/1/" in printed(report, of=space(activation=RELU_OR_TANH))[-1]


def test_a_sweep_that_was_stopped_before_its_first_trial_has_a_summary(report: SweepReport) -> None:
    nothing = SweepReport(table=report.table.iloc[:0], interrupted=True, experiment_id="1")
    assert rows(printed(nothing, of=space(activation=RELU_OR_TANH)))["all"] == ["0", "0", "0", "0"]
