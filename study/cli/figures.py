"""`study figures`: the README's figures anew."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import Command
from study.cli.options import set_option


@click.command(cls=Command)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder [default: notebooks/images].")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw instead the layers of this model file in the update that broke, as a PNG of its name.",
)
@set_option
@click.option("--run-notebooks", is_flag=True, help="Run the notebooks again too, and keep their outputs.")
def figures(out: Path | None, model: Path | None, assignments: tuple[str, ...], run_notebooks: bool) -> None:
    """Draw the README's figures anew from the recorded studies.

    \b
    Example of a picture of one's own model:
        study figures --model my_model.py --set learning_rate=0.1 --out .

    With --run-notebooks, the notebooks of the checkout are run from top to bottom as well, in place.
    """
    if model is not None:
        from study.models.file import ModelFile
        from study.report.readme_figures import write_layer_map

        click.echo(f"{write_layer_map(ModelFile.read(model), assignments, out)} written")
        return
    from study.report.readme_figures import run_in_place, write_readme_figures

    for path in write_readme_figures(out):
        click.echo(f"{path} written")
    if run_notebooks:
        for path in run_in_place():
            click.echo(f"{path} run")
