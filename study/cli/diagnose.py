"""`study diagnose`: why a model goes to NaN, and what holds against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.command import Command, command_line, interruptible, plain_console
from study.cli.names import study_name
from study.cli.options import divergence_option, set_option
from study.cli.page_file import check_writable, open_page, page_file, write_page
from study.trial.divergence import Divergence
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.diagnosis.result import Diagnosis
    from study.trial.home import Home

KEPT = "every training that has ended is kept, and the same command goes on from there"
"""What an interrupted diagnosis says of its work."""


@click.command(cls=Command)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--run", "run_id", metavar="RUN_ID", help="A tracked trial to diagnose, in the place of FILE and --set.")
@set_option
@divergence_option
@click.option("--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Trainings with a remedy.")
@click.option(
    "--minutes", type=click.FloatRange(min=0), default=10.0, show_default=True, help="After which none is waited for."
)
@click.option("--name", help="Name of the study in MLflow [default: diagnosis- and the file's name].")
@click.option("--out", type=page_file, help="An HTML file to write: the evidence and the remedies, with their losses.")
@click.option("--json", "as_json", is_flag=True, help="Print one strict JSON object and nothing else.")
def diagnose(
    file: Path | None,
    run_id: str | None,
    assignments: tuple[str, ...],
    divergence: Divergence | None,
    trials: int,
    minutes: float,
    name: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say why the model of FILE goes to NaN, and run what may help against it.

    Without FILE it is about the minimal example. A diagnosis that was interrupted goes on where it
    was when the same command is given again.

    \b
    Examples:
        study diagnose my_model.py --set learning_rate=1e-2
        study diagnose --set units=64 --set timesteps=96
        study diagnose --run 4f0c...
    """
    if run_id is not None and (file is not None or assignments or divergence is not None):
        raise UserError(f"--run {run_id}: is a trial with all its settings; leave FILE, --set and --divergence out")
    if out is not None:
        check_writable(out, option="--out")
    with interruptible(KEPT) as stop:
        from study.diagnosis.bench import bench
        from study.diagnosis.loop import diagnose as answer
        from study.diagnosis.progress import Steps
        from study.diagnosis.record import kept_at
        from study.diagnosis.subject import more_remedies, subject
        from study.diagnosis.trials import Limits
        from study.report.pages.diagnosis import render
        from study.trial.environment import available_cores
        from study.trial.home import Home

        home = Home.find()
        about = subject(file, run_id)
        read, event = about.file, divergence or about.divergence
        study = study_name(name or f"diagnosis-{Path(about.name).stem}", home=home, where="--name" if name else "FILE")
        with (
            bench(read, processes=available_cores(), stop=stop, divergence=event) as place,
            Steps(plain_console(stderr=True)) as steps,
        ):
            design = place.design()
            config = about.config(design, assignments)
            with kept_at(
                home, study, file=read, config=config, divergence=event, command=command_line(), stop=stop, steps=steps
            ) as record:
                limits = Limits(trials=trials, minutes=minutes)
                found = answer(
                    place,
                    config,
                    limits=limits,
                    record=record,
                    steps=steps,
                    more=more_remedies(config),
                )
                page = render(found, title=f"{about.name}: {design.title(config)}")
                record.close(found, title=about.name, page=page, interrupted=stop.is_set())
        if run_id is not None and found.cause is not None:
            _keep_cause(run_id, found, home=home)
        if as_json:
            import json

            click.echo(json.dumps(found.as_dict() | {"config": config.as_json()}, allow_nan=False))
        else:
            _show(found)
        if out is not None:
            write_page(out, page, option="--out")
            click.echo(f"The page is in {out}", err=as_json)
            if not as_json:
                open_page(out)
        if stop.is_set():
            raise KeyboardInterrupt


def _show(found: Diagnosis) -> None:
    from rich.table import Table

    from study.trial.model_sentence import sentence

    console = plain_console()

    def say(text: str = "", *, style: str | None = None) -> None:
        # A terminal gets lines that break between words; a file or a pipe gets whole sentences.
        console.print(text, soft_wrap=not console.is_terminal, highlight=False, style=style)

    if found.cause is None:
        say(found.healthy or "")
        return
    say(found.answer, style="bold")
    say()
    if found.onset is not None:
        say(sentence(found.onset))
    say(f"Measured, for {found.cause.id}:")
    for fact in found.cause.evidence:
        say(f"  - {fact}")
    for other in found.also:
        say(f"Less likely: {other.sentence} ({other.id})")
    say()
    table = Table("change", "survived", "updates", "loss", "", box=None, pad_edge=False)
    for one in found.remedies:
        table.add_row(*one.cells)
    console.print(table)


def _keep_cause(run_id: str, found: Diagnosis, *, home: Home) -> None:
    """Keep the cause with the run of the trial, where reports of its study read it."""
    from study.diagnosis.measured_cause import MeasuredCause
    from study.tracking import CAUSE, keep_artifact

    assert found.cause is not None
    text = MeasuredCause.of([found.cause, *found.also]).to_json()
    keep_artifact(run_id, CAUSE, text, uri=home.tracking_uri, tags={"cause": found.cause.id})
