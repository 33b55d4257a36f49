"""`study ui`: the MLflow UI on the studies."""

from __future__ import annotations

import os
import sys

import click

from study.trial.errors import UserError


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on the studies, at 127.0.0.1."""
    from study.sweep.home import existing_home

    home = existing_home()
    if home.artifacts is None:
        raise UserError(f"MLFLOW_TRACKING_URI is set: open {home.tracking_uri} in a browser")
    from study.tracking.tracker import list_studies
    from study.tracking.views import address

    click.echo(f"MLflow UI on {home.folder} (Ctrl-C ends it); once it is up, the trials of a study are at:")
    for name, experiment_id in list_studies(uri=home.tracking_uri).items():
        click.echo(f"  {name}: http://127.0.0.1:{port}{address(experiment_id)}")
    arguments = ["-W", "ignore", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", home.tracking_uri, "--default-artifact-root", str(home.artifacts)]
    os.execv(sys.executable, [sys.executable, *arguments])
