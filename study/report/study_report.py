"""From a study's name to its report: read the store, analyse, and keep the page with the study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from study.report.tables import load

if TYPE_CHECKING:
    import pandas as pd

    from study.diagnosis.measured_cause import MeasuredCause
    from study.report.pages.study import Provenance
    from study.tracking import SweepRun
    from study.trial.home import Home

REPORT = "report.html"
"""Artifact of a study's parent run: its report."""

FACTS = {
    "command": "command",
    "machine": "machine",
    "mlflow.source.git.commit": "commit",
    "search_space": "space file",
    "model": "model file",
    "sha256": "its SHA-256",
}
"""Tags of the parent run that a report shows, and what they are called there."""


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """A study's report."""

    answers: tuple[str, ...]
    """The study in a few sentences."""
    page: str
    """HTML, for the file that it was asked for."""
    copy: str
    """HTML for the store: it names runs and links nowhere, since it moves with the store."""
    has_parent_run: bool = False
    """Whether the store has a run to keep the copy with."""


def analyse(name: str, *, out: Path, home: Home | None) -> Analysed:
    """Analyse a study and render its report.

    Args:
        name: As `study.report.tables.load` takes it.
        out: Where the page will be, for links to the pages of trials beside it.
        home: The store that has the study; None for a file.

    Raises:
        UserError: No such study or file, or it is no results table, or no answer from the store.
    """
    table = load(name)
    from study.analysis.exemplary import exemplary_trials
    from study.analysis.findings import findings
    from study.report.pages.study import Provenance, render, report_of

    found = findings(table)
    report = report_of(found)
    if home is None:
        page = render(report, Provenance(study=name))
        return Analysed(answers=found.answers, page=page, copy=page)
    from study.diagnosis.measured_cause import MeasuredCause
    from study.report.pages.causes import cause_sentences
    from study.tracking import pages_of, read_causes, read_sweep, read_verdicts

    sweep = read_sweep(uri=home.tracking_uri, study=name)
    verdicts = read_verdicts(uri=home.tracking_uri, study=name)
    chosen = exemplary_trials(found.table).dropna(subset=["run_id"])
    trials = [(str(number), str(run)) for number, run in zip(chosen["trial_number"], chosen["run_id"], strict=True)]
    runs = [run for _, run in trials]
    kept = read_causes(runs, uri=home.tracking_uri)
    causes = {run: MeasuredCause.from_json(text) for run, text in kept.items()}
    told = cause_sentences(trials, causes)
    files = pages_of(runs, uri=home.tracking_uri)
    contrasts = None if verdicts is None else verdicts[0]
    links = {run: _address(file, page=out) if file else "" for run, file in files.items()}
    provenance = partial(_provenance, name, sweep, causes=causes, claims=contrasts)
    return Analysed(
        answers=(*found.answers, *told),
        page=render(report, provenance(pages=links)),
        copy=render(report, provenance(pages=dict.fromkeys(files, ""))),
        has_parent_run=sweep is not None,
    )


def keep_report(name: str, page: str, *, home: Home) -> None:
    """Keep a study's report with its parent run, in place of an earlier one.

    Raises:
        UserError: No such study, or the store refused or did not answer.
    """
    from study.tracking import attach

    with TemporaryDirectory() as folder:
        (Path(folder) / REPORT).write_text(page, encoding="utf-8")
        attach(uri=home.tracking_uri, study=name, folder=Path(folder), tags={})


def _provenance(
    name: str,
    sweep: SweepRun | None,
    *,
    pages: Mapping[str, str],
    causes: Mapping[str, MeasuredCause],
    claims: pd.DataFrame | None,
) -> Provenance:
    from study.report.pages.study import Provenance
    from study.tracking import VERSION

    if sweep is None:
        return Provenance(study=name, pages=pages, causes=causes, claims=claims)
    facts = {words: sweep.tags[tag] for tag, words in FACTS.items() if sweep.tags.get(tag)}
    versions = {tag.removeprefix(VERSION): number for tag, number in sweep.tags.items() if tag.startswith(VERSION)}
    if versions:
        facts["versions"] = ", ".join(f"{package} {number}" for package, number in versions.items())
    for key, words in (("sampler", "sampler"), ("sweep_seed", "seed of the sweep")):
        if key in sweep.params:
            facts[words] = sweep.params[key]
    return Provenance(
        study=name,
        about=sweep.tags.get("about", ""),
        facts=facts,
        space=sweep.space_yaml,
        pages=pages,
        causes=causes,
        claims=claims,
    )


def _address(file: Path, *, page: Path) -> str:
    """Where a file is, seen from a page."""
    return Path(os.path.relpath(file, page.absolute().parent)).as_posix()
