"""`study boundary`: where a study's trials go over to NaN, at any budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.command import Command
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.analysis.boundary.contour import Contour


@click.command(cls=Command)
@click.argument("name", metavar="STUDY")
@click.option("--along", multiple=True, metavar="AXIS", help="A numeric axis to look along; give two for a contour.")
@click.option("--at", "stated", multiple=True, metavar="AXIS=VALUE", help="The value of another axis; repeatable.")
@click.option("--updates", type=click.IntRange(min=2), help="The budget [default: the study's].")
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="P(NaN within the budget) on the boundary.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one strict JSON object and nothing else.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .png file to draw.")
def boundary(
    name: str,
    along: tuple[str, ...],
    stated: tuple[str, ...],
    updates: int | None,
    level: float,
    as_json: bool,
    out: Path | None,
) -> None:
    """Say where P(NaN within a budget) is one half, from the times to NaN, and which trials would tell most.

    STUDY is a study in MLflow, a .csv or .parquet file that `study results` wrote, or recorded:NAME.

    \b
    Examples:
        study boundary recorded:lr_by_units --along learning_rate --at units=16 --updates 30
        study boundary recorded:card --along learning_rate --along units --at activation=relu --out card.png
    """
    from study.analysis.boundary.contour import contour
    from study.report.tables import load

    if out is not None and out.suffix != ".png":
        raise UserError(f"--out {out}: takes a file that ends in .png")
    at = {}
    for one in stated:
        axis, separator, value = (part.strip() for part in one.partition("="))
        if not separator or not axis or not value:
            raise UserError(f"--at {one}: write it as axis=value")
        at[axis] = value
    table = load(name)
    found = contour(table, along=along, at=at, updates=updates, level=level)
    if found is None:
        raise UserError(
            f"{name}: shows no boundary; that needs four trials with a result, one that diverged, not all at the same "
            "update, and a numeric axis that varies"
        )
    if out is not None:
        from study.report.figures.contour import contour_figure

        try:
            out.write_bytes(contour_figure(found, table).png(dpi=200))
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    if as_json:
        import json

        click.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    _show(found)
    if out is not None:
        click.echo(f"The figure is in {out}")


def _show(found: Contour) -> None:
    from rich.table import Table

    from study.cli.command import plain_console

    console = plain_console()
    console.print(found.words, soft_wrap=True, highlight=False)
    if len(found.along) == 2:
        table = Table(found.along[1], f"{found.along[0]}", "95% interval", box=None, pad_edge=False)
        for one in found.crossings:
            value, interval = found.cells(one)
            table.add_row(f"{one.beside:.4g}", value, interval)
        console.print(table)
    if found.next_trials:
        console.print("Trials that would tell most for their updates:", highlight=False)
    for trial in found.next_trials:
        settings = " ".join(f"--set {axis}={value}" for axis, value in trial.settings.items())
        console.print(
            f"  {settings} (P = {trial.probability:.2f}, about {trial.updates:.0f} updates)",
            soft_wrap=True,
            highlight=False,
        )
