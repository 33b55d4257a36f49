"""`study trial`: one trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.command import Command
from study.cli.losses import followed
from study.cli.options import divergence_option, engine_option, model_option, refuse_engine, set_option
from study.cli.page_file import check_writable, open_page, page_file, write_page
from study.engine import DEFAULT_ENGINE
from study.trial.divergence import NONFINITE, Divergence

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.trial.config import TrialConfig
    from study.trial.model_design import ModelConfig
    from study.trial.result import TrialResult


@click.command(cls=Command)
@model_option
@set_option
@divergence_option
@engine_option
@click.option("--json", "as_json", is_flag=True, help="Print one strict JSON object and nothing else.")
@click.option(
    "--anatomy", type=page_file, help="An HTML file to write: the trial, update by update; see study anatomy."
)
def trial(
    model: Path | None,
    assignments: tuple[str, ...],
    divergence: Divergence | None,
    engine: str,
    as_json: bool,
    anatomy: Path | None,
) -> None:
    """Run one trial: the minimal reproducible example unless told otherwise.

    \b
    Examples:
        study trial --set units=64 --set learning_rate=1e-3
        study trial --model my_model.py --set units=64
    """
    if model is not None:
        refuse_engine()
    event = divergence or NONFINITE
    if anatomy is not None:
        check_writable(anatomy, option="--anatomy")
    result, page = (
        _of_example(assignments, engine=engine, divergence=event, draws=anatomy is not None)
        if model is None
        else _of_file(model, assignments, divergence=event, draws=anatomy is not None)
    )
    _print(result, as_json=as_json)
    if anatomy is not None and page is not None:
        write_page(anatomy, page, option="--anatomy")
        click.echo(f"The anatomy is in {anatomy}", err=as_json)
        if not as_json:
            open_page(anatomy)


def _of_example(
    assignments: tuple[str, ...], *, engine: str, divergence: Divergence, draws: bool
) -> tuple[TrialResult[Any], str | None]:
    """The result of a trial of the example, and its page where one is to be drawn."""
    from study.trial.config import AXES, TrialConfig

    config = TrialConfig.parse(AXES.parse_assignments(assignments), where="--set")
    with followed(config.updates) as on_update:
        if engine == DEFAULT_ENGINE and draws:
            return _page(config, None, divergence=divergence, on_update=on_update)
        from study.engine import run

        result = run(
            [config], engine=engine, divergence=divergence, on_update=lambda _, update, loss: on_update(update, loss)
        )[0]
        return result, _page(config, result, divergence=divergence, on_update=on_update)[1] if draws else None


def _of_file(
    path: Path, assignments: tuple[str, ...], *, divergence: Divergence, draws: bool
) -> tuple[TrialResult[Any], str | None]:
    """The result of a trial of a model file, and its page where one is to be drawn."""
    from study.models.file import ModelFile

    file = ModelFile.read(path)
    from study.models.signature import design_of

    design = design_of(file)
    config = design.config(design.axes.parse_assignments(assignments), where="--set")
    with followed(config.updates) as on_update:
        if draws:
            return _page(config, None, model=file, divergence=divergence, on_update=on_update)
        from study.models.trial import run_trial

        return run_trial(config, file=file, divergence=divergence, on_update=on_update), None


def _page(
    config: TrialConfig | ModelConfig,
    recorded: TrialResult | None,
    *,
    model: ModelFile | None = None,
    divergence: Divergence,
    on_update: Callable[[int, float], None],
) -> tuple[TrialResult[Any], str]:
    from study.report.anatomy import page_of
    from study.report.pages.anatomy import About
    from study.trial.environment import versions

    about = About(title=config.design.title(config), recorded=recorded, versions=versions())
    result, page, _ = page_of(config, about, model=model, divergence=divergence, on_update=on_update)
    return result, page


def _print(result: TrialResult[Any], *, as_json: bool) -> None:
    if as_json:
        import json

        from study.trial.environment import versions

        click.echo(json.dumps(result.as_dict() | {"versions": versions()}, allow_nan=False))
        return
    from study.trial.result import describe
    from study.trial.verdict import verdict

    for update, loss in enumerate(result.loss, start=1):
        click.echo(f"{update:5d}  {loss:.6g}")
    click.echo(describe(result))
    click.echo(verdict(result))
    click.echo(f"{result.engine} engine on {result.device}, {result.seconds:.1f} s")
