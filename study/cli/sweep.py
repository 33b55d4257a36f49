"""`study sweep`: the trials of a search space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.command import KEPT, Command, command_line, interruptible, plain_console
from study.cli.names import study_name
from study.cli.options import (
    divergence_option,
    engine_option,
    model_option,
    refuse_engine,
    refuse_workers,
    retry_option,
    set_option,
    storage_option,
)
from study.trial.divergence import Divergence

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.sweep.exhibits import Exhibit
    from study.trial.design import Design


@click.command(cls=Command)
@click.argument("space", metavar="[SPACE]", required=False)
@model_option
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=VALUES",
    help="Vary an axis, such as learning_rate=1e-5..1e-1:log or activation=relu,tanh, without a SPACE; repeatable.",
)
@click.option(
    "--sampler",
    metavar="SAMPLER",
    help="How --vary is sampled: sobol, random, grid, tpe=shortest or boundary=0.5 [default: sobol].",
)
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials of the study [default: the file's].")
@click.option("--name", metavar="STUDY", help="Name of the study [default: the file's name]; an old one goes on.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes, at most one a core [default: one a GPU, or one a core]."
)
@click.option(
    "--population",
    type=click.IntRange(min=1),
    help="Trials that a process trains side by side [default: by memory on GPUs of this machine, else 1].",
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler whose workers to use.")
@click.option("--seed", type=click.IntRange(0, 20_000), default=0, show_default=True, help="Of sampler and trials.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Seconds to wait for a store that went away or is locked.",
)
@click.option(
    "--anatomy/--no-anatomy",
    default=True,
    show_default=True,
    help="At the end, write pages of a few exemplary trials and measure the cause of their NaN.",
)
@set_option
@divergence_option
@retry_option
@storage_option
@engine_option
def sweep(
    space: str | None,
    model: Path | None,
    vary: tuple[str, ...],
    sampler: str | None,
    trials: int | None,
    name: str | None,
    workers: int | None,
    population: int | None,
    scheduler: str | None,
    seed: int,
    patience: float,
    anatomy: bool,
    assignments: tuple[str, ...],
    divergence: Divergence | None,
    retry_failed: bool,
    storage: str | None,
    engine: str,
) -> None:
    """Run the trials of a search space and keep them in MLflow.

    SPACE is a file, or the name of one in search_spaces/. A sweep that was interrupted goes on where it was
    when the same command is given again; nothing that was finished is lost or run twice.

    \b
    Examples:
        study sweep card --trials 100
        study sweep --model my_model.py --vary learning_rate=1e-5..1e-1:log --vary activation=relu,tanh
        study sweep --vary learning_rate=1e-5..1e-1:log --vary units=8..64 --sampler boundary=0.5,width=0.05
    """
    refuse_workers(workers, scheduler)
    with interruptible(KEPT) as stop:
        from study.cli.subject import subject
        from study.trial.home import Home
        from study.trial.model_design import ENGINE

        about = subject(
            space,
            model=model,
            vary=vary,
            sampler=sampler,
            assignments=assignments,
            trials=trials,
            divergence=divergence,
        )
        if about.model is not None:
            refuse_engine()
        from study.sweep.loop import run_sweep
        from study.sweep.options import SweepOptions

        home = Home.find(storage=storage)
        where = "--name" if name else f"{about.named_by}: the study would be named"
        name = study_name(name or about.name, home=home, where=where)
        options = SweepOptions(
            name=name,
            seed=seed,
            engine=engine if about.model is None else ENGINE,
            workers=workers,
            population=population,
            scheduler=scheduler,
            patience=patience,
            retry_failed=retry_failed,
            command=command_line(),
        )
        console = plain_console()
        exhibits = _exhibits(about.model, about.space.design)
        report = run_sweep(
            about.space,
            options,
            home=home,
            console=console,
            stop=stop,
            exhibits=exhibits if anatomy else (),
            model=about.model,
        )
        from study.sweep.summary import summarise

        summarise(report, name=name, space=about.space, home=home, console=console)
        if report.interrupted:
            raise KeyboardInterrupt


def _exhibits(model: ModelFile | None, design: Design) -> tuple[Exhibit, ...]:
    """What is kept of exemplary trials."""
    from study.report.page_task import cause_task, page_task
    from study.sweep.exhibits import Exhibit
    from study.tracking import ANATOMY, CAUSE

    return (
        Exhibit(artifact=ANATOMY, name="anatomy page", doing="writing the anatomy", make=page_task(model, design)),
        Exhibit(
            artifact=CAUSE,
            name="measured cause",
            doing="measuring the cause",
            make=cause_task(model, design),
            tags=lambda text: {"cause": json.loads(text)["cause"]["id"]},
        ),
    )
