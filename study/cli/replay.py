"""`study replay`: a tracked trial again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from study.cli.command import Command
from study.cli.losses import followed

if TYPE_CHECKING:
    from study.tracking import TrackedTrial
    from study.trial.result import TrialResult


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN_ID")
def replay(run_id: str) -> None:
    """Run a tracked trial again and say whether it is the same to the last bit.

    Exit status 0 if it is, 1 if a loss differs; the first update that does is named.
    """
    from study.tracking import read_run
    from study.trial.home import existing_home
    from study.trial.result import describe, first_difference

    tracked = read_run(run_id, uri=existing_home().tracking_uri)
    recorded = tracked.result
    with followed(recorded.config.updates) as on_update:
        again = _trained(tracked, on_update=on_update)
    update = first_difference(recorded, again)
    if update is None:
        click.echo(f"The same to the last bit, {again.updates} updates. {describe(again)}")
        return
    shown = [result.loss[update - 1] if update <= result.updates else "none" for result in (recorded, again)]
    click.echo(f"Differs first at update {update}: the loss was {shown[0]} and is now {shown[1]}.")
    sys.exit(1)


def _trained(tracked: TrackedTrial, *, on_update: Callable[[int, float], None]) -> TrialResult[Any]:
    recorded = tracked.result
    if tracked.model is not None:
        from study.models.file import ModelFile
        from study.models.trial import run_trial

        file = ModelFile(path=tracked.model.path, text=tracked.model.text)
        return run_trial(recorded.config, file=file, divergence=recorded.divergence, on_update=on_update)
    from study.engine import run

    return run(
        [recorded.config],
        engine=recorded.engine,
        population=recorded.population,
        divergence=recorded.divergence,
        on_update=lambda _, update, loss: on_update(update, loss),
    )[0]
