"""Sweeps that run in the test's own process, one trial after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from threading import Event

from rich.console import Console

from study.space.file import load
from study.space.samplers import BuildSampler, build_sampler
from study.space.search_space import SearchSpace, check_trials
from study.sweep.exhibits import Exhibit, Make
from study.sweep.loop import SweepReport, run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.base import OpenWorkers, Train
from study.sweep.workers.inline import InlineWorkers
from study.tracking import ANATOMY
from study.trial.folders import space_folders
from study.trial.home import Home
from tests.sweep.made_up import made_up


def page_exhibit(make: Make) -> Exhibit:
    """The page of an exemplary trial."""
    return Exhibit(artifact=ANATOMY, name="anatomy page", doing="writing the anatomy", make=make)


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep came to, and what it said."""

    report: SweepReport
    output: str


def sweep(
    home: Home,
    name: str,
    trials: int,
    *,
    space: str | SearchSpace = "card",
    train: Train = made_up,
    workers: OpenWorkers | None = None,
    population: int = 1,
    patience: float = 0,
    stop: Event | None = None,
    sampler: BuildSampler = build_sampler,
    exhibits: Sequence[Exhibit] = (),
    output: StringIO | None = None,
) -> Swept:
    """Run a sweep with workers that are this process, unless others are given.

    Args:
        home: Where to keep it.
        name: Of the study.
        trials: How many it asks for.
        space: What to vary, or the name of a shipped space.
        train: What is done with trials.
        workers: What trains.
        population: Trials that are trained side by side.
        patience: Seconds for which a store that went away is waited for.
        stop: Set to end the sweep early.
        sampler: Makes what chooses the configurations.
        exhibits: What is kept of exemplary trials.
        output: Takes what is said, also where the sweep raises.
    """
    output = output or StringIO()
    parsed = load(space, folders=space_folders()) if isinstance(space, str) else space
    report = run_sweep(
        check_trials(parsed, trials),
        SweepOptions(name=name, patience=patience),
        home=home,
        console=Console(file=output, width=200),
        stop=stop,
        workers=workers or (lambda at_most: InlineWorkers(population=population, train=train)),
        sampler=sampler,
        exhibits=exhibits,
    )
    return Swept(report=report, output=output.getvalue())
