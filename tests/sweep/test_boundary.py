"""Sweeps by the boundary sampler: of made-up trials in the test's own process, whose boundary is known by a formula."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from study.models.file import ModelFile
from study.models.signature import design_of
from study.space.file import parse
from study.space.search_space import SearchSpace, check_trials
from study.space.vary import space_of
from study.sweep.ledger import Ledger
from study.sweep.loop import SweepReport, run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.inline import InlineWorkers
from study.sweep.workers.of_model import train_on
from study.trial.config import TrialConfig
from study.trial.home import Home
from study.trial.model_design import ENGINE, ModelDesign
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.models.files import DATA, file_of
from tests.processes import Drive, finish, wait_for_trials
from tests.stores import assert_whole_and_equal, optuna_trials

SPACE = """
parameters:
  learning_rate: {low: 1e-4, high: 1e-1, log: true}
updates: 60
trials: 24
sampler: {boundary: 0.5, points: 8}
"""


def ended(config: TrialConfig) -> TrialResult:
    """NaN at update 1 + ceil(0.1 / learning rate), half of the space within the budget."""
    update = 1 + math.ceil(0.1 / config.learning_rate)
    loss = (0.5,) * config.updates if update > config.updates else (*(0.5,) * (update - 1), math.nan)
    return TrialResult(config=config, loss=loss, engine="compiled", device="CPU", seconds=0.01)


def made_up(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    return [ended(TrialConfig(**json.loads(config))).to_json() for config in configs]


def sweep(space: SearchSpace, *, name: str = "s", dies_after: int | None = None) -> tuple[SweepReport, str]:
    """The report, and what was said; `dies_after` so many trials the process is gone in the middle of the next."""
    trained = 0

    def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        nonlocal trained
        trained += 1
        if dies_after is not None and trained > dies_after:
            raise KeyboardInterrupt
        return made_up(configs, engine, population, divergence)

    console = Console(file=StringIO(), width=300)
    report = run_sweep(
        space,
        SweepOptions(name=name),
        home=Home.find(),
        console=console,
        workers=lambda at_most: InlineWorkers(train=train),
    )
    assert isinstance(console.file, StringIO)
    return report, console.file.getvalue()


def test_a_sweep_that_was_cut_off_goes_on_and_loses_no_trial(home: Path) -> None:
    space = parse(SPACE)
    for more in (5, 9):
        with pytest.raises(KeyboardInterrupt):
            sweep(space, dies_after=more)
    known = {trial.number: trial.params for trial in optuna_trials(home, "s")}
    report, said = sweep(space)
    assert not report.interrupted
    assert_whole_and_equal(home, "s", trials=24)
    trials = optuna_trials(home, "s")
    assert {trial.number: trial.params for trial in trials if trial.number in known} == known
    assert "all 24 trials are spent; the contour P(NaN within 60 updates) = 0.5 is known to a width of" in said


def test_it_stops_when_the_contour_is_known_to_the_width_and_says_so(home: Path) -> None:
    space = parse(SPACE.replace("points: 8", "points: 8, width: 0.2").replace("24", "400"))
    report, said = sweep(space)
    count = len(report.table)
    assert count < 60
    assert not report.interrupted
    assert f"stopped after {count} of 400 trials; the contour" in said
    assert "and 0.2 was asked for" in said
    again, said = sweep(space)
    assert len(again.table) == count
    assert f"stopped after {count} of 400 trials" in said


def test_a_study_is_extended_as_any_other(home: Path) -> None:
    space = parse(SPACE)
    sweep(check_trials(space, 10))
    report, _ = sweep(space)
    assert sorted(report.table["trial_number"]) == list(range(24))


def test_trials_gather_about_the_boundary(home: Path) -> None:
    report, _ = sweep(parse(SPACE))
    later = report.table.sort_values("trial_number")["learning_rate"][8:]
    # 59 steps at 0.1 / 59; a uniform draw has 30% within a factor of 3 to either side.
    assert ((later > 0.1 / 59 / 3) & (later < 0.1 / 59 * 3)).mean() > 0.5


def test_trials_asked_for_together_are_different(home: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(storage_url=f"sqlite:///{tmp_path}/optuna.db", name="s", space=parse(SPACE), seed=0)
    for _ in range(12):
        number, config = ledger.ask()
        record = Record(number=number, config=config, result=ended(config), end_time=0.0)  # type: ignore[arg-type]
        ledger.journal(record)
        ledger.tell(record, run_id="run")
    rates = [ledger.ask()[1].values()["learning_rate"] for _ in range(8)]
    ledger.close()
    assert len(set(rates)) == 8


def test_two_real_kills_lose_no_trial_and_move_no_point(stores: Home, drive: Drive, tmp_path: Path) -> None:
    space = tmp_path / "edge.yaml"
    space.write_text(SPACE.replace("updates: 60", "updates: 20"), encoding="utf-8")
    known: dict[int, object] = {}
    for enough in (10, 17):
        process = drive(str(space), 24, "killed")
        wait_for_trials(stores.folder, "killed", enough, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        trials = optuna_trials(stores.folder, "killed")
        # Those that ran when it was killed keep their points as well.
        known |= {trial.number: trial.params for trial in trials if trial.params}
    assert len(known) >= 17
    finish(drive(str(space), 24, "killed"))
    assert_whole_and_equal(stores.folder, "killed", trials=24)
    ended = {trial.number: trial.params for trial in optuna_trials(stores.folder, "killed")}
    assert {number: ended[number] for number in known} == known


MODEL = """
def build():
    model = keras.Sequential([keras.Input((5, 3)), layers.Flatten(), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""


def model_space(file: ModelFile) -> SearchSpace:
    """Gradient descent on a square: above some rate the loss is multiplied in every update by about the rate's square.

    Six updates overflow float32 from a rate of some thousands on, which is 6 of the 32 decades above the lower end.
    """
    return space_of(
        ["learning_rate=1e-2..1e30:log"],
        design=design_of(file),
        about="",
        overrides={"updates": "6"},
        trials=10,
        sampler="boundary=0.5,points=6",
    )


def test_the_boundary_of_a_model_file_is_walked_and_a_cut_off_sweep_of_it_goes_on(stores: Home, tmp_path: Path) -> None:
    file = file_of(tmp_path, MODEL, DATA)
    space, design = model_space(file), design_of(file)
    assert isinstance(design, ModelDesign)
    real = train_on(file, design)
    trained = 0

    def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        nonlocal trained
        trained += 1
        if trained == 8:
            raise KeyboardInterrupt
        return real(configs, engine, population, divergence)

    def run() -> SweepReport:
        return run_sweep(
            space,
            SweepOptions(name="mine", engine=ENGINE, patience=0),
            home=stores,
            console=Console(file=StringIO()),
            workers=lambda at_most: InlineWorkers(train=train),
            model=file,
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    known = {trial.number: trial.params for trial in optuna_trials(stores.folder, "mine") if trial.params}
    assert len(known) == 8
    table = run().table.sort_values("trial_number")
    assert list(table["trial_number"]) == list(range(10))
    assert (table["outcome"] != "failed").all()
    assert {trial.number: trial.params for trial in optuna_trials(stores.folder, "mine")}.items() >= known.items()
    later = table["learning_rate"][6:]
    # Of 32 decades, 6 are 19%.
    assert ((later > 1e1) & (later < 1e7)).mean() > 0.5
