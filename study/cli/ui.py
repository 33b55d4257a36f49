"""`study ui`: the MLflow UI on the studies."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import click

from study.cli.command import Command
from study.trial.errors import UserError

HOST = "127.0.0.1"
PORTS_TRIED = 100
"""How many numbers behind one that is taken are looked at for a free one."""


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on the studies, at 127.0.0.1."""
    from study.trial.home import LOCK_SECONDS, existing_home
    from study.trial.store_urls import sqlite_file, sqlite_url

    home = existing_home()
    database, artifacts = sqlite_file(home.tracking_uri), home.artifacts
    if database is None or artifacts is None:
        raise UserError(f"MLFLOW_TRACKING_URI is set: open {home.tracking_uri} in a browser")
    _check_port(port)
    from study.tracking import address, list_studies

    click.echo(f"MLflow UI on {home.folder} (Ctrl-C ends it); once it is up, the trials of a study are at:")
    for name, experiment_id in list_studies(uri=home.tracking_uri).items():
        click.echo(f"  {name}: http://{HOST}:{port}{address(experiment_id)}")
    arguments = ["-W", "ignore", "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # Relative to its folder the URL is plain; of one with a `%` in it MLflow would make another folder.
    os.chdir(database.parent)
    store = sqlite_url(Path(database.name), timeout=LOCK_SECONDS)
    arguments += ["--backend-store-uri", store, "--default-artifact-root", artifacts.as_uri()]
    os.execv(sys.executable, [sys.executable, *arguments])


def _check_port(port: int) -> None:
    """Refuse a port that the server could not listen on."""
    problem = _problem(port)
    if problem is None:
        return
    free = next((other for other in range(port + 1, min(port + PORTS_TRIED, 65535) + 1) if not _problem(other)), None)
    other = f"; --port {free} is free" if free else ""
    raise UserError(f"--port {port}: {problem} on {HOST}{other}")


def _problem(port: int) -> str | None:
    with socket.socket() as listener:
        # As servers do: connections that ended a moment ago do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError as error:
            return "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return None
