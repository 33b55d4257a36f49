"""Options that several commands take."""

from __future__ import annotations

import click

from study.engine import DEFAULT_ENGINE, ENGINES

set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set an axis, such as units=64; repeatable."
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Optuna store to use instead of STUDY_HOME's (or STUDY_STORAGE): an SQLAlchemy URL.",
)
engine_option = click.option("--engine", type=click.Choice(list(ENGINES)), default=DEFAULT_ENGINE, show_default=True)
