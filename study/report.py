"""From a study's name to its report: read the store, analyse, write the page, and keep it with the study."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from study.data import RECORDED, is_file, load
from study.errors import UserError
from study.home import existing_home

if TYPE_CHECKING:
    from study.analysis.report import Provenance
    from study.home import Home
    from study.tracking import SweepRun

REPORT = "report.html"
"""Artifact of a study's parent run: its report."""

FACTS = {"command": "command", "machine": "machine", "mlflow.source.git.commit": "commit", "search_space": "space file"}
"""Tags of the parent run that a report shows, and what they are called there."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A report that was written."""

    path: Path
    answers: tuple[str, ...]
    """The study in a few sentences."""
    warnings: tuple[str, ...]
    kept: bool
    """Whether it is also with the study's parent run."""


def write_report(name: str, *, out: Path | None = None) -> Written:
    """Analyse a study and write its page.

    Args:
        name: As `study.data.load` takes it.
        out: The file to write; without it `reports/NAME.html` in STUDY_HOME, or beside a file's working folder.

    Raises:
        UserError: No such study or file, or the page cannot be written.
    """
    if is_file(name):
        stem = name.removeprefix(RECORDED) if name.startswith(RECORDED) else Path(name).stem
        path = out or Path(f"{stem}.html")
        check_writable(path)
        return _write(name, path=path, home=None)
    home = existing_home()
    path = out or home.folder / "reports" / f"{name}.html"
    if out is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"STUDY_HOME {home.folder} cannot be written ({error.strerror or error}); give --out FILE"
            ) from error
    check_writable(path)
    return _write(name, path=path, home=home)


def _write(name: str, *, path: Path, home: Home | None) -> Written:
    table = load(name)
    from study.analysis.exemplary import exemplary_trials
    from study.analysis.findings import findings
    from study.analysis.report import Provenance, render, report_of

    found = findings(table)
    report = report_of(found)
    if home is None:
        _write_page(path, render(report, Provenance(study=name)))
        return Written(path=path, answers=found.answers, warnings=(), kept=False)
    from study.tracking import attach, pages_of, read_sweep, read_verdicts

    sweep = read_sweep(uri=home.tracking_uri, study=name)
    verdicts = read_verdicts(uri=home.tracking_uri, study=name)
    runs = [str(run) for run in exemplary_trials(found.table)["run_id"].dropna()]
    files = pages_of(runs, uri=home.tracking_uri)

    def provenance(pages: Mapping[str, str]) -> Provenance:
        return _provenance(name, sweep, pages=pages, claims=None if verdicts is None else verdicts[0])

    links = {run: _address(file, of=path) if file else "" for run, file in files.items()}
    _write_page(path, render(report, provenance(links)))
    if sweep is None:
        return Written(path=path, answers=found.answers, warnings=("the study has no parent run.",), kept=False)
    # A copy in the store moves with it, so it names runs and links nowhere.
    with TemporaryDirectory() as folder:
        (Path(folder) / REPORT).write_text(render(report, provenance(dict.fromkeys(files, ""))), encoding="utf-8")
        try:
            attach(uri=home.tracking_uri, study=name, folder=Path(folder), tags={})
        except UserError as error:
            warning = f"the page is not kept in MLflow: {error}"
            return Written(path=path, answers=found.answers, warnings=(warning,), kept=False)
    return Written(path=path, answers=found.answers, warnings=(), kept=True)


def _provenance(name: str, sweep: SweepRun | None, *, pages: Mapping[str, str], claims: object) -> Provenance:
    import pandas as pd

    from study.analysis.report import Provenance

    verdicts = claims if isinstance(claims, pd.DataFrame) else None
    if sweep is None:
        return Provenance(study=name, pages=pages, claims=verdicts)
    facts = {words: sweep.tags[tag] for tag, words in FACTS.items() if sweep.tags.get(tag)}
    versions = [
        f"{tag.removeprefix('version.')} {number}" for tag, number in sweep.tags.items() if tag.startswith("version.")
    ]
    if versions:
        facts["versions"] = ", ".join(versions)
    facts |= {words: sweep.params[key] for key, words in (("sampler", "sampler"), ("sweep_seed", "seed of the sweep"))
              if key in sweep.params}  # fmt: skip
    return Provenance(
        study=name,
        about=sweep.tags.get("about", ""),
        facts=facts,
        space=sweep.space_yaml,
        pages=pages,
        claims=verdicts,
    )


def _address(file: Path, *, of: Path) -> str:
    """Where a file is, seen from a page."""
    return Path(os.path.relpath(file, of.absolute().parent)).as_posix()


def check_writable(path: Path) -> None:
    """Refuse a page's file before the analysis that would be for nothing.

    Raises:
        UserError: Not a page's ending, no such folder, or no right to write.
    """
    if path.suffix != ".html":
        raise UserError(f"--out {path}: takes a file that ends in .html")
    if not path.parent.is_dir():
        raise UserError(f"--out {path}: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"--out {path}: cannot be written (Permission denied)")


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror or error})") from error


def open_page(path: Path) -> None:
    """Show a page where somebody is there to see it."""
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
