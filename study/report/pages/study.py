"""A study as one HTML page that needs nothing from outside: what ran, what was found, and the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from study.analysis.exemplary import exemplary_trials
from study.analysis.findings import Findings
from study.analysis.predictors import grouping_axis
from study.analysis.wording import p_value_text
from study.report.figures.claims import claims_figure
from study.report.figures.contour import contour_figure
from study.report.figures.critical import critical_figure
from study.report.figures.differences import differences_figure
from study.report.figures.drawing import Drawing
from study.report.figures.forest import hazard_figure, odds_figure, time_ratio_figure
from study.report.figures.onset import growth_figure, onset_figure, timeline_figure
from study.report.figures.phase import phase_figure
from study.report.figures.prediction import calibration_figure, fit_words, importance_figure
from study.report.figures.scaling import scaling_figure
from study.report.figures.survival import two_parts_figure
from study.report.pages.causes import COLUMNS, cause_rows, cause_sentences
from study.report.pages.template import template
from study.trial.axes import BUDGET_COLUMN, NONE, as_text
from study.trial.outcome import LOSS_THRESHOLD

if TYPE_CHECKING:
    from study.diagnosis.measured_cause import MeasuredCause

TASKS: dict[str, str] = {
    "noise": "noise: labels have nothing to do with the inputs, so survived and diverged are said of noise",
    "learnable": "learnable: labels by a fixed random teacher of the sequence",
}
"""What the trials were trained on, in words."""

MOST_CURVES = 3
"""Axes whose survival curves are drawn; the tests of all are in the table."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a report says of a study beside its results table."""

    study: str
    """Its name, or the file's."""
    about: str = ""
    """What it is for, a sentence."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is known of how it ran, by name: command, machine, versions and so on."""
    space: str = ""
    """The search space, YAML."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """Runs that have a page of their anatomy: run id -> relative address of the page, or the empty text."""
    causes: Mapping[str, MeasuredCause] | None = None
    """Runs whose cause was measured; None of a file, which has none."""
    claims: pd.DataFrame | None = None
    """Verdicts on claims, a row a contrast (`study.claims.verdicts.Verdicts.contrasts`)."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page."""

    title: str
    anchor: str
    sentences: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    """Columns that are set to the right."""
    caption: str = ""
    folded: bool = False
    """Whether it is shown only when asked for."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures and sentences of a study, to be rendered as often as wished."""

    found: Findings
    sections: tuple[Section, ...]


def report_of(found: Findings) -> Report:
    """Draw everything that a report shows."""
    sections = (
        _when(found),
        _effects(found),
        _law(found),
        _where(found),
        *_any_budget(found),
        _prediction(found),
        _onset(found),
    )
    return Report(found=found, sections=sections)


def render(report: Report, provenance: Provenance) -> str:
    """The page.

    Args:
        report: Of `report_of`.
        provenance: What is known of the study beside its table.
    """
    found = report.found
    extra = [section for section in (_examples(found, provenance), _claims(provenance)) if section is not None]
    failed = found.table[found.table["outcome"] == "failed"]
    reasons = failed["failure"].fillna("no reason recorded").value_counts()
    return template("study.html.j2").render(
        provenance=provenance,
        answers=found.answers,
        counts=_counts(found),
        event=found.survival.divergence.words,
        exploded_above=f"{LOSS_THRESHOLD:g}" if found.survival.exploded else "",
        sections=[*report.sections, *extra],
        failures=[(str(reason), int(number)) for reason, number in reasons.items()],
    )


def _counts(found: Findings) -> list[tuple[str, str]]:
    survival = found.survival
    counts = [
        ("trials", str(len(found.table))),
        ("diverged", str(survival.diverged)),
        ("survived (censored)", str(survival.survived)),
        *([("of these exploded", str(survival.exploded))] if survival.exploded else []),
        ("failed (no result)", str(survival.failed)),
    ]
    seconds = found.table["wall_seconds"].sum()
    if seconds > 0:
        counts.append(("training time", f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"))
    counts.append(("divergence", f"a loss {survival.divergence.words.rule}"))
    counts.append(("axes varied", ", ".join(found.survival.axes) or "none"))
    budgets = sorted(found.table[BUDGET_COLUMN].dropna().unique())
    counts.append(
        (BUDGET_COLUMN, " or ".join(map(str, budgets[:4])) + (" ..." if len(budgets) > 4 else "") + " updates")
    )
    if "task" in found.table:
        tasks = sorted(set(found.table["task"].dropna()))
        counts.append(("task", "; ".join(TASKS.get(task, str(task)) for task in tasks)))
    for column, name in (("engine", "engine"), ("device", "device")):
        if values := sorted(set(found.table[column].dropna())):
            counts.append((name, ", ".join(values)))
    return counts


# --- the sections ---------------------------------------------------------------------------------------------------


def _when(found: Findings) -> Section:
    survival = found.survival
    tests = survival.tests_table.sort_values("p_value", kind="stable")
    axes = list(tests["axis"])
    # The axis with panels of its own comes first: it is the one that readers look for.
    leading = [axis for axis in (grouping_axis(found.table),) if axis in survival.parts]
    drawn = (leading + [axis for axis in axes if axis not in leading])[:MOST_CURVES] if survival.diverged else []
    drawings = [
        two_parts_figure(survival.parts[axis], failed=survival.failed, name=f"survival_{axis}") for axis in drawn
    ] or [two_parts_figure(survival.overall, failed=survival.failed)]
    rows = tuple(
        (
            str(row["axis"]),
            str(row["groups"]),
            _p(row["p_value_first"]),
            _number(row["chi_square"]),
            str(row["degrees_of_freedom"]) if math.isfinite(row["chi_square"]) else "",
            _p(row["p_value"]),
        )
        for row in tests.to_dict("records")
    )
    tables = (
        Table(
            columns=("axis", "groups", "p at update 1", "chi-square later", "degrees of freedom", "p later"),
            rows=rows,
            numeric=frozenset({1, 2, 3, 4, 5}),
            caption=f"Whether an axis has a part in {survival.divergence.words.noun} at update 1 (likelihood ratio of "
            "its odds ratios, the other axes held fixed), and in the time of the trials that took a step (log-rank "
            "test between its groups, the others not held fixed).",
        ),
    )
    medians = (sentence[0].upper() + sentence[1:] for sentence in survival.overall.later.answers)
    first = (survival.first.answer,) if survival.first.events else ()
    return Section(
        title="When: at update 1, and later",
        anchor="when",
        sentences=(*first, *medians),
        drawings=tuple(drawings),
        tables=tables if rows and survival.diverged else (),
    )


def _effects(found: Findings) -> Section:
    """What makes it sooner: first what needs no assumption where hazards are not proportional."""
    survival = found.survival
    model, failed, event = survival.hazard_ratios, survival.failed, survival.divergence.words.noun
    differences = differences_figure(survival.differences, failed=failed)
    times = time_ratio_figure(found.scaling.law, failed=failed)
    hazards = hazard_figure(model, failed=failed)
    later = (differences, times, hazards) if model.proportional is False else (hazards, differences, times)
    first = (odds_figure(survival.first, failed=failed),) if survival.first.events else ()
    drawings = (*later, *first)
    said = (model.proportional_words, survival.differences.answer) if model.estimated else ()
    hazard_table = Table(
        columns=("term", "hazard ratio", f"{model.confidence:.0%} interval", "p", "trials", "diverged"),
        rows=_ratio_rows(model.hazard_ratios, "hazard_ratio"),
        numeric=frozenset({1, 2, 3, 4, 5}),
        caption="Cox's proportional hazards model with exact ties, of the trials that took a step; every axis with the "
        "others held fixed.",
        folded=True,
    )
    odds_table = Table(
        columns=("term", "odds ratio", "95% interval", "p", "trials", "at update 1"),
        rows=_ratio_rows(survival.first.odds_ratios, "odds_ratio"),
        numeric=frozenset({1, 2, 3, 4, 5}),
        caption=f"Logistic model of {event} at update 1; every axis with the others held fixed.",
        folded=True,
    )
    notes = dict.fromkeys((*model.notes, *(survival.first.notes if survival.first.events else ())))
    return Section(
        title="What makes it sooner, and what decides update 1",
        anchor="hazards",
        sentences=tuple(filter(None, (*said, *notes))) if survival.axes and survival.diverged else (model.answer,),
        drawings=tuple(drawing for drawing in drawings if drawing.figure),
        tables=tuple(table for table in (hazard_table, odds_table) if table.rows),
    )


def _ratio_rows(ratios: pd.DataFrame, column: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            str(row["term"]),
            _number(row[column]),
            _interval(row["low"], row["high"]),
            _p(row["p_value"]),
            str(row["trials"]),
            str(row["events"]),
        )
        for row in ratios.to_dict("records")
    )


def _law(found: Findings) -> Section:
    law = found.scaling.law
    sentences = list(law.notes)
    if law.constant_product is not None and law.estimated:
        sentences.insert(0, f"Learning rate times steps: {law.constant_product.answer}")
    if found.scaling.pure is not None:
        sentences.insert(1, found.scaling.pure.answer)
    rows = tuple(
        (
            str(row["term"]),
            _number(row["exponent"]),
            _interval(row["exponent_low"], row["exponent_high"]) if math.isfinite(row["exponent"]) else "",
            _number(row["time_ratio"]),
            _interval(row["low"], row["high"]),
            _p(row["p_value"]),
        )
        for row in law.time_ratios.to_dict("records")
    )
    table = Table(
        columns=("term", "exponent", "interval", "factor on the steps", "interval", "p"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4, 5}),
        caption=f"Accelerated failure time model, {law.distribution} times, {law.confidence:.0%} intervals.",
        folded=True,
    )
    by_distribution = Table(
        columns=("distribution", "information criterion above the best", "axis", "exponent", "interval"),
        rows=tuple(
            (
                str(row["distribution"]),
                _number(row["akaike_above"]),
                str(row["axis"]),
                _number(row["exponent"]),
                _interval(row["low"], row["high"]),
            )
            for row in law.exponents.to_dict("records")
        ),
        numeric=frozenset({1, 3, 4}),
        caption=f"Exponents by the distribution of the times, the one that fits best first. {law.fit_as_well}".rstrip(),
        folded=True,
    )
    tables = (table, *((by_distribution,) if by_distribution.rows else ())) if rows else ()
    drawings = (scaling_figure(found.scaling),) if rows else ()
    return Section(
        title=f"How {law.divergence.words.time} scales",
        anchor="law",
        sentences=tuple(sentences if rows else filter(None, (*sentences, law.answer, found.scaling.left_out))),
        drawings=drawings,
        tables=tables,
    )


def _where(found: Findings) -> Section:
    failed = found.survival.failed
    sentences = [value.brief for value in found.critical]
    drawings: list[Drawing] = []
    note = f"All axes together: {fit_words(found.held_out)}"
    if found.panels:
        drawings.append(phase_figure(found.panels, failed=failed, note=note))
    if found.critical:
        drawings.append(critical_figure(found.table, found.critical))
    if not found.axes:
        sentences.append("There is no boundary to look for: no numeric axis varies among trials with a result.")
    elif not found.panels:
        sentences.append(f"There is no phase diagram: only one numeric axis varies, {found.axes[0]}.")
    if not any(drawing.figure for drawing in drawings):
        sentences = [] if found.axes else sentences
    return Section(
        title="Where: the divergence boundary", anchor="where", sentences=tuple(sentences), drawings=tuple(drawings)
    )


def _any_budget(found: Findings) -> tuple[Section, ...]:
    """The contour at smaller budgets, from the same times; nothing where there is none."""
    if not found.contours:
        return ()
    *_, whole = found.contours
    beside = (whole.along[1],) if len(whole.along) == 2 else ()
    rows = tuple(
        (
            *(f"{crossings[0].beside:.4g}" for _ in beside),
            *(" ".join(filter(None, (value, f"({interval})" if interval else ""))) for value, interval in cells),
        )
        for crossings in zip(*(one.crossings for one in found.contours), strict=True)
        for cells in [[one.cells(crossing) for one, crossing in zip(found.contours, crossings, strict=True)]]
    )
    event = whole.divergence.words.noun
    where = Table(
        columns=(*beside, *(f"{one.along[0]}, within {one.updates}" for one in found.contours)),
        rows=rows,
        numeric=frozenset(range(len(beside) + len(found.contours))),
        caption=f"Where P({event}) is {whole.level:g} within so many updates, with a pointwise 95% interval. "
        f"{whole.where}.".replace(" .", ""),
    )
    # At the whole budget there may be nothing to see, such as where all trials diverged.
    shown = [one for one in found.contours if any(crossing.unsure for crossing in one.crossings)]
    settings = list(whole.next_trials[0].settings) if whole.next_trials else []
    trials = Table(
        columns=(*settings, f"P({event})", "updates"),
        rows=tuple(
            (*(one.settings[axis] for axis in settings), f"{one.probability:.2f}", f"{one.updates:.0f}")
            for one in whole.next_trials
        ),
        caption="Trials that would tell most of this boundary for the updates that they are expected to run.",
    )
    return (
        Section(
            title="Where, at any budget",
            anchor="contour",
            drawings=tuple(contour_figure(one, found.table) for one in shown[-1:]),
            tables=tuple(table for table in (where, trials) if table.rows),
        ),
    )


def _prediction(found: Findings) -> Section:
    result = found.held_out
    drawings: tuple[Drawing, ...] = (calibration_figure(result),)
    if found.importance.axes:
        drawings = (importance_figure(found.importance, result), *drawings)
    return Section(title="What decides it, and how surely that is known", anchor="importance", drawings=drawings)


def _onset(found: Findings) -> Section:
    if found.onsets.trials.empty:
        return Section(title="What broke first", anchor="onset", sentences=(found.onsets.answer,))
    drawings = (onset_figure(found.onsets), timeline_figure(found.table), growth_figure(found.table))
    return Section(title="What broke first", anchor="onset", sentences=(found.onsets.answer,), drawings=drawings)


def _examples(found: Findings, provenance: Provenance) -> Section | None:
    chosen = exemplary_trials(found.table)
    if chosen.empty:
        return None
    by_importance = [axis.axis for axis in found.importance.axes]
    varied = [axis for axis in (*by_importance, *found.survival.axes) if axis in found.survival.axes]
    varied = list(dict.fromkeys(varied))[:4]
    causes = provenance.causes
    rows, trials = [], []
    for row in chosen.to_dict("records"):
        run = "" if pd.isna(row["run_id"]) else str(row["run_id"])
        trials.append((str(row["trial_number"]), run))
        # `has a page` is a fact about the store; a link is there only where the page can be reached from here.
        rows.append(
            (
                str(row["why"]),
                str(row["trial_number"]),
                str(row["time_to_nan"]),
                *(_value(row[axis]) for axis in varied),
                *(() if causes is None else (causes[run].cause.id if run in causes else "-",)),
                run,
                provenance.pages.get(run, "-"),
            )
        )
    of_causes = () if causes is None else ("cause",)
    table = Table(
        columns=("why", "trial", found.survival.divergence.words.time, *varied, *of_causes, "run", "anatomy"),
        rows=tuple(rows),
        numeric=frozenset({1, 2}),
        caption="The command `study anatomy RUN` shows a trial update by update, and keeps the page with its run as "
        "anatomy.html."
        + (
            ""
            if causes is None
            else " The command `study diagnose --run RUN` measures the cause of a trial that has none here, and runs "
            "what may help against it."
        ),
    )
    measured = Table(columns=COLUMNS, rows=cause_rows(trials, causes or {}), numeric=frozenset({0}), folded=True)
    return Section(
        title="Exemplary trials",
        anchor="examples",
        sentences=cause_sentences(trials, causes or {}),
        tables=(table, measured) if measured.rows else (table,),
    )


def _claims(provenance: Provenance) -> Section | None:
    contrasts = provenance.claims
    # Verdicts of an earlier version have no quantifier; `study claims` judges the same trials anew.
    if contrasts is None or contrasts.empty or "quantifier" not in contrasts:
        return None
    rows = tuple(
        (
            str(row["contrast"]),
            str(row["statement"]),
            str(row["semantics"]),
            str(row["verdict"]),
            str(row["finding"]),
            _p(row["p_adjusted"]),
        )
        for row in contrasts.to_dict("records")
    )
    verdicts = contrasts["verdict"].value_counts()
    tally = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    table = Table(
        columns=("claim", "statement", "semantics", "verdict", "quantifier and cases", "p (Holm)"),
        rows=rows,
        numeric=frozenset({5}),
        caption="Cases: of the trials or seeds of the arm that decides. The p-value is corrected for all "
        "contrasts under one semantics.",
    )
    return Section(
        title="The claims",
        anchor="claims",
        sentences=(f"Of {len(contrasts)} contrasts: {tally}.",),
        drawings=(claims_figure(contrasts),),
        tables=(table,),
    )


# --- numbers as text ------------------------------------------------------------------------------------------------


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _p(value: float) -> str:
    return p_value_text(value).removeprefix("p = ").removeprefix("p ") if math.isfinite(value) else "-"


def _interval(low: float, high: float) -> str:
    if not math.isfinite(low) and not math.isfinite(high):
        return "not bounded"
    if not math.isfinite(low):
        return f"up to {high:.3g}"
    return f"{low:.3g} to {high:.3g}" if math.isfinite(high) else f"from {low:.3g}"


def _value(value: Any) -> str:
    if pd.isna(value):
        return NONE
    return f"{value:.3g}" if isinstance(value, float) else as_text(value)
