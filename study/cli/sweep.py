"""`study sweep`: the trials of a search space."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import KEPT, Command, command_line, interruptible, plain_console
from study.cli.names import study_name
from study.cli.options import divergence_option, engine_option, set_option, storage_option
from study.trial.divergence import Divergence


@click.command(cls=Command)
@click.argument("space", metavar="SPACE")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials of the study [default: the file's].")
@click.option("--name", metavar="STUDY", help="Name of the study [default: the file's name]; an old one goes on.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes [default: one a GPU, or one a core].")
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
    help="Seconds to wait for a tracking server that went away.",
)
@click.option(
    "--anatomy/--no-anatomy", default=True, show_default=True, help="Write pages of a few exemplary trials at the end."
)
@set_option
@divergence_option
@storage_option
@engine_option
def sweep(
    space: str,
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
    storage: str | None,
    engine: str,
) -> None:
    """Run the trials of a search space and keep them in MLflow.

    SPACE is a file, or the name of one in search_spaces/. A sweep that was interrupted goes on where it was
    when the same command is given again; nothing that was finished is lost or run twice.
    """
    with interruptible(KEPT) as stop:
        from dataclasses import replace

        from study.space.file import load
        from study.space.search_space import check_trials
        from study.trial.config import EXAMPLE
        from study.trial.folders import space_folders
        from study.trial.home import Home

        parsed = load(space, folders=space_folders(), overrides=EXAMPLE.axes.parse_assignments(assignments))
        if divergence is not None:
            parsed = replace(parsed, divergence=divergence)
        if trials is not None:
            parsed = check_trials(parsed, trials)
        from study.report.page_task import draw
        from study.sweep.loop import run_sweep
        from study.sweep.options import SweepOptions

        home = Home.find(storage=storage)
        where = "--name" if name else f"{space}: the study would be named"
        name = study_name(name or Path(space).stem, home=home, where=where)
        options = SweepOptions(
            name=name,
            seed=seed,
            engine=engine,
            workers=workers,
            population=population,
            scheduler=scheduler,
            patience=patience,
            command=command_line(),
        )
        console = plain_console()
        report = run_sweep(parsed, options, home=home, console=console, stop=stop, draw=draw if anatomy else None)
        from study.sweep.summary import summarise

        summarise(report, name=name, space=parsed, home=home, console=console)
        if report.interrupted:
            raise KeyboardInterrupt
