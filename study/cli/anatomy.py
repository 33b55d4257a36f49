"""`study anatomy`: how a tracked trial went to NaN, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.command import Command
from study.cli.losses import followed
from study.cli.page_file import check_writable, make_folder, open_option, open_page, page_file, write_page


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN_ID")
@click.option("--out", type=page_file, help="The HTML file to write [default: anatomy/RUN_ID.html in STUDY_HOME].")
@open_option
def anatomy(run_id: str, out: Path | None, opens: bool) -> None:
    """Show where, when and how a tracked trial went to NaN, as one HTML page.

    The trial is run again, the updates around its first non-finite number with everything in them looked at. The
    page is also kept in the trial's MLflow run.
    """
    if out is not None:
        check_writable(out, option="--out")
    from study.trial.home import existing_home

    home = existing_home()
    from study.tracking import ANATOMY, keep_artifact, read_run

    tracked = read_run(run_id, uri=home.tracking_uri)
    if out is None:
        out = home.folder / "anatomy" / f"{run_id}.html"
        make_folder(out.parent)
    from study.report.pages.anatomy import About
    from study.trial.environment import versions
    from study.trial.verdict import verdict

    about = About(
        title=tracked.name,
        run_id=run_id,
        recorded=tracked.result,
        recorded_versions=tracked.versions,
        versions=versions(),
    )
    model = None
    if tracked.model is not None:
        from study.models.file import ModelFile

        model = ModelFile(path=tracked.model.path, text=tracked.model.text)
    with followed(tracked.result.config.updates) as on_update:
        from study.report.anatomy import page_of

        result, page, warnings = page_of(
            tracked.result.config, about, model=model, divergence=tracked.result.divergence, on_update=on_update
        )
    for sentence in warnings:
        click.echo(f"Warning: {sentence}", err=True)
    click.echo(verdict(result))
    write_page(out, page, option="--out")
    click.echo(f"The page is in {out}")
    keep_artifact(run_id, ANATOMY, page, uri=home.tracking_uri)
    if opens:
        open_page(out)
