"""`study diagnose`: why a model goes to NaN, and what holds against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.command import Command
from study.cli.options import set_option

if TYPE_CHECKING:
    from study.diagnosis.result import Diagnosis


@click.command(cls=Command)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@set_option
@click.option("--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Trainings with a remedy.")
@click.option(
    "--minutes", type=click.FloatRange(min=0), default=10.0, show_default=True, help="After which none is begun."
)
@click.option("--json", "as_json", is_flag=True, help="Print one strict JSON object and nothing else.")
def diagnose(file: Path, assignments: tuple[str, ...], trials: int, minutes: float, as_json: bool) -> None:
    """Say why the model of FILE goes to NaN, and run what may help against it.

    \b
    Example:
        study diagnose my_model.py --set learning_rate=1e-2
    """
    from study.diagnosis.bench import bench
    from study.diagnosis.loop import Limits
    from study.diagnosis.loop import diagnose as answer
    from study.models.file import ModelFile
    from study.trial.environment import available_cores

    read = ModelFile.read(file, where="diagnose")
    with bench(read, processes=available_cores()) as place:
        design = place.design()
        values = design.axes.parse_assignments(assignments)
        config = design.config(values, where="--set")
        found = answer(
            place,
            config,
            limits=Limits(trials=trials, minutes=minutes),
            say=lambda sentence: click.echo(f"{sentence} ...", err=True),
        )
    if as_json:
        import json

        click.echo(json.dumps(found.as_dict() | {"config": config.as_json()}, allow_nan=False))
    else:
        _show(found)


def _show(found: Diagnosis) -> None:
    from rich.console import Console
    from rich.table import Table

    from study.trial.model_sentence import sentence

    console = Console(highlight=False)
    if found.cause is None or found.onset is None:
        console.print(found.healthy, soft_wrap=True)
        return
    console.print(sentence(found.onset), soft_wrap=True)
    console.print()
    console.print(f"[bold]{found.cause.sentence}[/bold] ({found.cause.id})", soft_wrap=True)
    for fact in found.cause.evidence:
        console.print(f"  - {fact}", soft_wrap=True)
    for other in found.also:
        console.print(f"Less likely: {other.sentence} ({other.id})", soft_wrap=True)
    console.print()
    table = Table("change", "survived", "updates", "loss", "", box=None, pad_edge=False)
    for one in found.remedies:
        said = one.as_dict()
        losses = "" if one.loss_after is None else f"{one.loss_before:.4g} -> {one.loss_after:.4g}"
        survived = f"{one.survived} of {len(one.runs)}" if one.runs else "not run"
        table.add_row(
            one.change, survived, str(one.budget) if one.runs else "", losses, said.get("why", said.get("note", ""))
        )
    console.print(table)
