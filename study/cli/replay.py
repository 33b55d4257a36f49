"""`study replay`: a tracked trial again."""

from __future__ import annotations

import sys

import click

from study.cli.command import Command
from study.cli.losses import followed


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN_ID")
def replay(run_id: str) -> None:
    """Run a tracked trial again and say whether it is the same to the last bit.

    Exit status 0 if it is, 1 if a loss differs; the first update that does is named.
    """
    from study.tracking import read_trial
    from study.trial.home import existing_home
    from study.trial.result import describe, first_difference

    recorded = read_trial(run_id, uri=existing_home().tracking_uri)
    with followed(recorded.config.updates) as on_update:
        from study.engine import run

        again = run(
            [recorded.config],
            engine=recorded.engine,
            population=recorded.population,
            divergence=recorded.divergence,
            on_update=lambda _, update, loss: on_update(update, loss),
        )[0]
    update = first_difference(recorded, again)
    if update is None:
        click.echo(f"The same to the last bit, {again.updates} updates. {describe(again)}")
        return
    shown = [result.loss[update - 1] if update <= result.updates else "none" for result in (recorded, again)]
    click.echo(f"Differs first at update {update}: the loss was {shown[0]} and is now {shown[1]}.")
    sys.exit(1)
