"""`study report`: what was found in a study, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import Command
from study.cli.page_file import check_writable, make_folder, open_option, open_page, page_file, write_page


@click.command(cls=Command)
@click.argument("name", metavar="STUDY")
@click.option(
    "--out",
    type=page_file,
    help="The HTML file to write [default: reports/STUDY.html in STUDY_HOME, or STUDY.html for a file].",
)
@click.option(
    "--plots", is_flag=True, help="Write interactive plots too, as a page of their own of 5 MB: STUDY-plots.html."
)
@open_option
def report(name: str, out: Path | None, plots: bool, opens: bool) -> None:
    """Analyse a study and write what was found as one HTML page, figures included.

    STUDY is a study in MLflow, with whose parent run the page is also kept as report.html; or a .csv or .parquet file
    that `study results` wrote; or one recorded with the project, such as recorded:card.
    """
    from study.report.study_report import analyse, keep_report
    from study.report.tables import is_file
    from study.trial.home import existing_home

    if out is not None:
        check_writable(out, option="--out")
    home = None if is_file(name) else existing_home()
    if out is None and home is not None:
        out = home.folder / "reports" / f"{name}.html"
        make_folder(out.parent)
    elif out is None:
        out = Path(f"{Path(name.rpartition(':')[2]).stem}.html")
        check_writable(out, option="--out")
    plots_out = out.with_stem(f"{out.stem}-plots") if plots else None
    if plots_out is not None:
        check_writable(plots_out, option="--plots")
    found = analyse(name, out=out, home=home)
    write_page(out, found.page, option="--out")
    for sentence in found.answers:
        click.echo(sentence)
    click.echo(f"The report is in {out}")
    if home is not None and not found.has_parent_run:
        click.echo(f"Not kept in MLflow, where the parent run of {name} was deleted", err=True)
    elif home is not None:
        keep_report(name, found.copy, home=home)
        click.echo(f"Kept with the parent run of {name} in MLflow: report.html")
    if plots_out is not None:
        from study.report.pages.plots import render
        from study.report.plots.plots import plots as plots_of

        write_page(plots_out, render(plots_of(name), study=name, report=out.name), option="--plots")
        click.echo(f"The plots are in {plots_out}")
    if opens:
        open_page(out)
