"""`study results`: the table of a study."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import Command
from study.trial.errors import UserError


@click.command(cls=Command)
@click.argument("name", metavar="STUDY")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .csv or .parquet file to write.")
def results(name: str, out: Path | None) -> None:
    """Print or write the results of a study, one row a trial."""
    from study.analysis.table import ENDINGS, as_results, write_results
    from study.tracking import read_results
    from study.trial.home import existing_home

    if out is not None and out.suffix not in ENDINGS:
        raise UserError(f"--out {out}: takes a file that ends in {' or '.join(ENDINGS)}")
    table = as_results(read_results(uri=existing_home().tracking_uri, study=name), where=name)
    if out is None:
        click.echo(table.to_csv(index=False), nl=False)
        return
    try:
        write_results(table, out)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    click.echo(f"{len(table)} trials written to {out}")
