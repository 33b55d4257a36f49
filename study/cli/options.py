"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

from study.engine import DEFAULT_ENGINE, ENGINES
from study.trial.divergence import TAKES, Divergence, divergence_of
from study.trial.errors import UserError

set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set an axis, such as units=64; repeatable."
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Optuna store to use instead of STUDY_HOME's (or STUDY_STORAGE): an SQLAlchemy URL.",
)
retry_option = click.option("--retry-failed", is_flag=True, help="Try trials again that failed, for example of memory.")
engine_option = click.option("--engine", type=click.Choice(list(ENGINES)), default=DEFAULT_ENGINE, show_default=True)
model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A Python file with a model of your own, in place of the minimal example: build() and data().",
)


def refuse_engine() -> None:
    """Refuse `--engine` beside `--model`."""
    if click.get_current_context().get_parameter_source("engine") is not click.core.ParameterSource.DEFAULT:
        raise UserError("--engine: trains the built-in example; a model file is trained by Keras's own training step")


def refuse_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse `--workers` beside `--scheduler`."""
    if workers is not None and scheduler is not None:
        raise UserError(
            f"--workers {workers}: starts processes of this machine, and --scheduler {scheduler} uses the workers of a "
            "cluster; give one of the two"
        )


class _Event(click.ParamType[Divergence]):
    """What ends a trial: `nonfinite` or `loss_above=10`."""

    name = "EVENT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Divergence:
        try:
            return divergence_of(value)
        except ValueError:
            raise UserError(f"--divergence {value}: takes {TAKES}, for example loss_above=10") from None


divergence_option = click.option(
    "--divergence",
    type=_Event(),
    help=f"What counts as divergence and ends a trial: {TAKES}. [default: nonfinite, or what the space's file says]",
)
