"""The command line: `study`, or `python -m study`.

Heavy packages are imported by the commands that need them, so that help answers at once. Exit status: 0 done, 2 bad
input, 130 interrupted.
"""

from __future__ import annotations

import click

from study import __version__
from study.cli.anatomy import anatomy
from study.cli.boundary import boundary
from study.cli.claims import claims
from study.cli.command import Group
from study.cli.diagnose import diagnose
from study.cli.figures import figures
from study.cli.replay import replay
from study.cli.report import report
from study.cli.results import results
from study.cli.sweep import sweep
from study.cli.trial import trial
from study.cli.ui import ui


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="study")
def study() -> None:
    """Where an LSTM trains to NaN, why it does, and what moves the boundary.

    Data live in STUDY_HOME (default: mlruns/ of the checkout); MLFLOW_TRACKING_URI and STUDY_STORAGE point to a
    tracking server and a shared Optuna store instead.
    """


for command in (trial, sweep, diagnose, results, replay, anatomy, boundary, report, claims, figures, ui):
    study.add_command(command)
