"""`study figures`: the README's figures anew."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import Command


@click.command(cls=Command)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder [default: notebooks/images].")
@click.option("--run-notebooks", is_flag=True, help="Run the notebooks again too, and keep their outputs.")
def figures(out: Path | None, run_notebooks: bool) -> None:
    """Draw the README's figures anew from the recorded studies.

    With --run-notebooks, the notebooks of the checkout are run from top to bottom as well, in place.
    """
    from study.report.readme_figures import run_in_place, write_readme_figures

    for path in write_readme_figures(out):
        click.echo(f"{path} written")
    if run_notebooks:
        for path in run_in_place():
            click.echo(f"{path} run")
