"""`study claims`: the claims of the question's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from study.cli.command import KEPT, Command, command_line, interruptible, plain_console
from study.cli.names import study_name
from study.cli.options import engine_option, refuse_workers, retry_option, storage_option
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.claims.contrast import Scale


@click.command(cls=Command)
@click.option(
    "--scale", type=click.Choice(["small", "full"]), default="small", show_default=True, help="Size of the trials."
)
@click.option(
    "--only", metavar="IDS", multiple=True, help="Claims or parts of claims, such as C5,C8a [default: all]. Repeatable."
)
@click.option(
    "--semantics",
    type=click.Choice(["both", "keras-3", "keras-2.2.4"]),
    default="both",
    show_default=True,
    help="Under which semantics to ask.",
)
@click.option("--remedies", is_flag=True, help="Run and rank the remedies instead.")
@click.option("--replicates", type=click.IntRange(1, 1000), help="Seeds in every arm [default: the file's].")
@click.option("--name", metavar="STUDY", help="Name of the study [default: claims-SCALE]; an old one goes on.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes, at most one a core [default: one a GPU, or one a core]."
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler whose workers to use.")
@click.option("--seed", type=click.IntRange(0, 20_000), default=0, show_default=True, help="Of the replicates' seeds.")
@retry_option
@storage_option
@engine_option
def claims(
    scale: Scale,
    only: tuple[str, ...],
    semantics: str,
    remedies: bool,
    replicates: int | None,
    name: str | None,
    workers: int | None,
    scheduler: str | None,
    seed: int,
    retry_failed: bool,
    storage: str | None,
    engine: str,
) -> None:
    """Hold every claim of the question's page against trials, and say which of them stand.

    The claims, their quantifiers and what would count against them are in search_spaces/claims.yaml, and so are the
    remedies, which --remedies ranks by survivors and time gained. Run again, it goes on where it was; other claims,
    semantics or more replicates add to the same study.
    """
    refuse_workers(workers, scheduler)
    with interruptible(KEPT) as stop:
        from typing import get_args

        from study.claims.file import find_claims, load_claims
        from study.claims.run import ClaimsRun
        from study.sweep.options import SweepOptions
        from study.trial.config import Semantics
        from study.trial.folders import space_folders
        from study.trial.home import Home

        every: tuple[Semantics, ...] = get_args(Semantics)
        home = Home.find(storage=storage)
        name = study_name(name or f"claims-{scale}", home=home)
        options = SweepOptions(
            name=name,
            seed=seed,
            engine=engine,
            workers=workers,
            scheduler=scheduler,
            retry_failed=retry_failed,
            command=command_line(),
        )
        run = ClaimsRun(
            claims=load_claims(find_claims(space_folders()), scale=scale),
            options=options,
            semantics=[under for under in every if semantics in ("both", under)],
            home=home,
            console=plain_console(),
            stop=stop,
        )
        if remedies:
            if only:
                raise UserError("--only: is of claims, not of --remedies; give one of the two")
            found: object = run.remedies(replicates=replicates)
        else:
            found = run.verdicts(only=_ids(only), replicates=replicates)
        if found is None:
            raise KeyboardInterrupt
        kept = "remedies.csv" if remedies else "claims.csv, claims_arms.csv"
        click.echo(f"Kept with the parent run of {name} in MLflow: {kept}, claims.yaml")


def _ids(only: tuple[str, ...]) -> list[str]:
    """Ids of `--only C5,C8a`. None are all claims, so an option that names none is refused."""
    ids = [part.strip() for given in only for part in given.split(",") if part.strip()]
    if only and not ids:
        raise UserError(f"--only {' '.join(only)}: takes ids of claims, such as C5,C8a")
    return ids
