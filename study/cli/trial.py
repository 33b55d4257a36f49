"""`study trial`: one trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.command import Command
from study.cli.options import engine_option, set_option
from study.cli.page_file import check_writable, open_page, page_file, write_page
from study.engine import DEFAULT_ENGINE

if TYPE_CHECKING:
    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult


@click.command(cls=Command)
@set_option
@engine_option
@click.option("--json", "as_json", is_flag=True, help="Print one strict JSON object and nothing else.")
@click.option(
    "--anatomy", type=page_file, help="An HTML file to write: the trial, update by update; see study anatomy."
)
def trial(assignments: tuple[str, ...], engine: str, as_json: bool, anatomy: Path | None) -> None:
    """Run one trial: the minimal reproducible example unless told otherwise.

    Example: study trial --set units=64 --set learning_rate=1e-3
    """
    from study.trial.config import TrialConfig, parse_assignments

    config = TrialConfig.parse(parse_assignments(assignments), where="--set")
    from study.engine import run

    page = None
    if anatomy is None:
        result = run([config], engine=engine)[0]
    else:
        check_writable(anatomy, option="--anatomy")
        result, page = _trial_with_page(config, engine=engine)
    if as_json:
        import json

        from study.trial.environment import versions

        click.echo(json.dumps(result.as_dict() | {"versions": versions()}, allow_nan=False))
    else:
        _print_trial(result)
    if anatomy is not None and page is not None:
        write_page(anatomy, page, option="--anatomy")
        click.echo(f"The anatomy is in {anatomy}", err=as_json)
        if not as_json:
            open_page(anatomy)


def _trial_with_page(config: TrialConfig, *, engine: str) -> tuple[TrialResult, str]:
    from study.engine import run
    from study.report.anatomy import page_of
    from study.report.pages.anatomy import About
    from study.trial.environment import versions

    title = f"{config.activation} lr={config.learning_rate:.2g} {config.layers}x{config.units}"
    if engine == DEFAULT_ENGINE:
        result, page, _ = page_of(config, About(title=title, versions=versions()))
        return result, page
    result = run([config], engine=engine)[0]
    return result, page_of(config, About(title=title, recorded=result, versions=versions()))[1]


def _print_trial(result: TrialResult) -> None:
    from study.trial.result import describe
    from study.trial.sentence import verdict

    for update, loss in enumerate(result.loss, start=1):
        click.echo(f"{update:5d}  {loss:.6g}")
    click.echo(describe(result))
    click.echo(verdict(result))
    click.echo(f"{result.engine} engine on {result.device}, {result.seconds:.1f} s")
