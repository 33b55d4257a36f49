"""The command line: `study`, or `python -m study`.

Heavy packages are imported by the commands that need them, so that help answers at once.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.engine import DEFAULT_ENGINE, ENGINES
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.claims.contrast import Scale
    from study.sweep.home import Home
    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult

set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set an axis, such as units=64; repeatable."
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Optuna store to use instead of STUDY_HOME's (or STUDY_STORAGE): an SQLAlchemy URL.",
)
engine_option = click.option("--engine", type=click.Choice(list(ENGINES)), default=DEFAULT_ENGINE, show_default=True)


page_file = click.Path(dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def study() -> None:
    """Where an LSTM trains to NaN, why it does, and what moves the boundary.

    Data live in STUDY_HOME (default: mlruns/ of the checkout); MLFLOW_TRACKING_URI and STUDY_STORAGE point to a
    tracking server and a shared Optuna store instead.
    """


@study.command()
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
        _check_writable(anatomy, option="--anatomy")
        result, page = _trial_with_page(config, engine=engine)
    if as_json:
        import json

        from study.sweep.environment import versions

        click.echo(json.dumps(result.as_dict() | {"versions": versions()}, allow_nan=False))
    else:
        _print_trial(result)
    if anatomy is not None and page is not None:
        _write_page(anatomy, page, option="--anatomy")
        click.echo(f"The anatomy is in {anatomy}", err=as_json)
        if not as_json:
            _open_page(anatomy)


@study.command()
@click.argument("space", metavar="SPACE")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials of the study [default: the file's].")
@click.option("--name", metavar="STUDY", help="Name of the study [default: the file's name]; an old one goes on.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes [default: one a GPU, or one a core].")
@click.option(
    "--population",
    type=click.IntRange(min=1),
    help="Trials that a process trains side by side [default: by memory on GPUs of this machine, else 1].",
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler whose workers to use.")
@click.option("--seed", type=click.IntRange(0, 20_000), default=0, show_default=True, help="Of sampler and trials.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Seconds to wait for a tracking server that went away.",
)
@click.option(
    "--anatomy/--no-anatomy", default=True, show_default=True, help="Write pages of a few exemplary trials at the end."
)
@set_option
@storage_option
@engine_option
def sweep(
    space: str,
    trials: int | None,
    name: str | None,
    workers: int | None,
    population: int | None,
    scheduler: str | None,
    seed: int,
    patience: float,
    anatomy: bool,
    assignments: tuple[str, ...],
    storage: str | None,
    engine: str,
) -> None:
    """Run the trials of a search space and keep them in MLflow.

    SPACE is a file, or the name of one in search_spaces/. A sweep that was interrupted goes on where it was
    when the same command is given again; nothing that was finished is lost or run twice.
    """
    from study.sweep.interrupt import stop_on_signals

    with stop_on_signals() as stop:
        from study.space.file import load
        from study.space.search_space import check_trials
        from study.sweep.home import Home
        from study.trial.config import parse_assignments
        from study.trial.folders import space_folders

        parsed = load(space, folders=space_folders(), overrides=parse_assignments(assignments))
        if trials is not None:
            parsed = check_trials(parsed, trials)
        from rich.console import Console

        from study.sweep.loop import SweepOptions, run_sweep

        name = _study_name(name or Path(space).stem)
        home = Home.find(storage=storage)
        options = SweepOptions(
            name=name,
            seed=seed,
            engine=engine,
            workers=workers,
            population=population,
            scheduler=scheduler,
            patience=patience,
            command=shlex.join(["study", *sys.argv[1:]]),
            anatomy=anatomy,
        )
        console = Console(stderr=False)
        report = run_sweep(parsed, options, home=home, console=console, stop=stop)
        from study.sweep.summary import summarise

        summarise(report, name=name, space=parsed, home=home, console=console)
        if report.interrupted:
            raise KeyboardInterrupt


@study.command()
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
@click.option("--replicates", type=click.IntRange(1, 1000), help="Seeds in every arm [default: the file's].")
@click.option("--name", metavar="STUDY", help="Name of the study [default: claims-SCALE]; an old one goes on.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at a time [default: one a GPU, or one a core].")
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler whose workers to use.")
@click.option("--seed", type=click.IntRange(0, 20_000), default=0, show_default=True, help="Of the replicates' seeds.")
@storage_option
@engine_option
def claims(
    scale: Scale,
    only: tuple[str, ...],
    semantics: str,
    replicates: int | None,
    name: str | None,
    workers: int | None,
    scheduler: str | None,
    seed: int,
    storage: str | None,
    engine: str,
) -> None:
    """Hold every claim of the question's page against trials, and say which of them stand.

    The claims, their statistics and what would count against them are in search_spaces/claims.yaml. Run again, it goes
    on where it was; other claims, semantics or more replicates add to the same study.
    """
    from study.sweep.interrupt import stop_on_signals

    with stop_on_signals() as stop:
        from typing import get_args

        from rich.console import Console

        from study.claims.file import find_claims, load_claims
        from study.claims.run import run_claims
        from study.sweep.home import Home
        from study.sweep.loop import SweepOptions
        from study.trial.config import Semantics
        from study.trial.folders import space_folders

        every: tuple[Semantics, ...] = get_args(Semantics)
        name = _study_name(name or f"claims-{scale}")
        options = SweepOptions(
            name=name,
            seed=seed,
            engine=engine,
            workers=workers,
            scheduler=scheduler,
            command=shlex.join(["study", *sys.argv[1:]]),
        )
        found = run_claims(
            load_claims(find_claims(space_folders()), scale=scale),
            options,
            semantics=[under for under in every if semantics in ("both", under)],
            home=Home.find(storage=storage),
            console=Console(stderr=False),
            only=[part.strip() for ids in only for part in ids.split(",") if part.strip()],
            replicates=replicates,
            stop=stop,
        )
        if found is None:
            raise KeyboardInterrupt
        click.echo(f"Kept with the parent run of {name} in MLflow: claims.csv, claims_arms.csv, claims.yaml")


@study.command()
@click.argument("name", metavar="STUDY")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .csv or .parquet file to write.")
def results(name: str, out: Path | None) -> None:
    """Print or write the results of a study, one row a trial."""
    from study.tracking.tracker import read_results

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise UserError(f"--out {out}: takes a file that ends in .csv or .parquet")
    table = read_results(uri=_existing_home().tracking_uri, study=name)
    if out is None:
        click.echo(table.to_csv(index=False), nl=False)
        return
    try:
        table.to_csv(out, index=False) if out.suffix == ".csv" else table.to_parquet(out, index=False)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    click.echo(f"{len(table)} trials written to {out}")


@study.command()
@click.argument("run_id", metavar="RUN_ID")
def replay(run_id: str) -> None:
    """Run a tracked trial again and say whether it is the same to the last bit.

    Exit status 0 if it is, 1 if a loss differs; the first update that does is named.
    """
    from study.engine import run
    from study.tracking.tracker import read_trial
    from study.trial.result import describe, first_difference

    recorded = read_trial(run_id, uri=_existing_home().tracking_uri)
    again = run([recorded.config], engine=recorded.engine, population=recorded.population)[0]
    update = first_difference(recorded, again)
    if update is None:
        click.echo(f"The same to the last bit, {again.updates} updates. {describe(again)}")
        return
    shown = [result.loss[update - 1] if update <= result.updates else "none" for result in (recorded, again)]
    click.echo(f"Differs first at update {update}: the loss was {shown[0]} and is now {shown[1]}.")
    sys.exit(1)


@study.command()
@click.argument("run_id", metavar="RUN_ID")
@click.option("--out", type=page_file, help="The HTML file to write [default: anatomy/RUN_ID.html in STUDY_HOME].")
@click.option("--open/--no-open", "opens", default=True, help="Show it in a browser, where there is one [default].")
def anatomy(run_id: str, out: Path | None, opens: bool) -> None:
    """Show where, when and how a tracked trial went to NaN, as one HTML page.

    The trial is run again, the updates around its first non-finite number with everything in them looked at. The
    page is also kept in the trial's MLflow run.
    """
    if out is not None:
        _check_writable(out, option="--out")
    home = _existing_home()
    from study.tracking.tracker import keep_anatomy, read_run

    tracked = read_run(run_id, uri=home.tracking_uri)
    if out is None:
        out = home.folder / "anatomy" / f"{run_id}.html"
        _make_folder(out.parent)
    from study.report.anatomy import page_of
    from study.report.pages.anatomy import About
    from study.sweep.environment import versions
    from study.trial.onset import verdict

    about = About(
        title=tracked.name,
        run_id=run_id,
        recorded=tracked.result,
        recorded_versions=tracked.versions,
        versions=versions(),
    )
    result, page, warnings = page_of(tracked.result.config, about)
    for sentence in warnings:
        click.echo(f"Warning: {sentence}", err=True)
    click.echo(verdict(result))
    _write_page(out, page, option="--out")
    click.echo(f"The page is in {out}")
    keep_anatomy(run_id, page, uri=home.tracking_uri)
    if opens:
        _open_page(out)


@study.command()
@click.argument("name", metavar="STUDY")
@click.option(
    "--out",
    type=page_file,
    help="The HTML file to write [default: reports/STUDY.html in STUDY_HOME, or STUDY.html for a file].",
)
@click.option("--open/--no-open", "opens", default=True, help="Show it in a browser, where there is one [default].")
def report(name: str, out: Path | None, opens: bool) -> None:
    """Analyse a study and write what was found as one HTML page, figures included.

    STUDY is a study in MLflow, with whose parent run the page is also kept as report.html; or a .csv or .parquet file
    that `study results` wrote; or one recorded with the project, such as recorded:card.
    """
    from study.report.study_report import analyse, keep_report
    from study.report.tables import is_file

    if out is not None:
        _check_writable(out, option="--out")
    home = None if is_file(name) else _existing_home()
    if out is None and home is not None:
        out = home.folder / "reports" / f"{name}.html"
        _make_folder(out.parent)
    elif out is None:
        out = Path(f"{Path(name.rpartition(':')[2]).stem}.html")
        _check_writable(out, option="--out")
    found = analyse(name, out=out, home=home)
    _write_page(out, found.page, option="--out")
    for sentence in found.answers:
        click.echo(sentence)
    click.echo(f"The report is in {out}")
    if home is not None:
        keep_report(name, found.copy, home=home)
        click.echo(f"Kept with the parent run of {name} in MLflow: report.html")
    if opens:
        _open_page(out)


@study.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder [default: notebooks/images].")
@click.option("--run-notebooks", is_flag=True, help="Run the notebooks again too, and keep their outputs.")
def figures(out: Path | None, run_notebooks: bool) -> None:
    """Draw the README's figures anew from the recorded studies.

    With --run-notebooks, the notebooks of the checkout are run from top to bottom as well, in place.
    """
    from study.report.readme_figures import front_page, run_in_place

    for path in front_page(out):
        click.echo(f"{path} written")
    if run_notebooks:
        for path in run_in_place():
            click.echo(f"{path} run")


@study.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Open the MLflow UI on the studies, at 127.0.0.1."""
    home = _existing_home()
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


def _existing_home() -> Home:
    from study.sweep.home import existing_home

    return existing_home()


def _trial_with_page(config: TrialConfig, *, engine: str) -> tuple[TrialResult, str]:
    from study.engine import run
    from study.report.anatomy import page_of
    from study.report.pages.anatomy import About
    from study.sweep.environment import versions

    title = f"{config.activation} lr={config.learning_rate:.2g} {config.layers}x{config.units}"
    if engine == DEFAULT_ENGINE:
        result, page, _ = page_of(config, About(title=title, versions=versions()))
        return result, page
    result = run([config], engine=engine)[0]
    return result, page_of(config, About(title=title, recorded=result, versions=versions()))[1]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"STUDY_HOME {folder} cannot be written ({error.strerror or error}); give --out FILE"
        ) from error


def _check_writable(path: Path, *, option: str) -> None:
    """Refuse a page's file before the trial that would be for nothing."""
    if path.suffix != ".html":
        raise UserError(f"{option} {path}: takes a file that ends in .html")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{option} {path}: cannot be written (Permission denied)")


def _write_page(path: Path, page: str, *, option: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be written ({error.strerror or error})") from error


def _open_page(path: Path) -> None:
    """Show a page where somebody is there to see it."""
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(path.absolute().as_uri())


def _study_name(name: str) -> str:
    if not name.strip() or "/" in name or name.startswith(".") or len(name.encode()) > 200 or not name.isprintable():
        raise UserError(f"--name {name!r}: takes up to 200 bytes, no slash among them and no dot in front")
    return name


def _print_trial(result: TrialResult) -> None:
    from study.trial.onset import verdict
    from study.trial.result import describe

    for update, loss in enumerate(result.loss, start=1):
        click.echo(f"{update:5d}  {loss:.6g}")
    click.echo(describe(result))
    click.echo(verdict(result))
    click.echo(f"{result.engine} engine on {result.device}, {result.seconds:.1f} s")


def main() -> None:
    """Run the command line; exit 0 done, 2 bad input, 130 interrupted."""
    try:
        study.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; everything finished is kept, and the same command goes on from there.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
