"""Everything that a results table can tell, asked at once: what a report and its figures are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.boundary.contour import Contour, contours
from study.analysis.boundary.critical_value import CriticalValue, critical_values
from study.analysis.boundary.phase_diagram import PhaseDiagram, phase_diagram, phase_panels
from study.analysis.onsets import Onsets, onsets
from study.analysis.prediction.accuracy import Accuracy
from study.analysis.prediction.held_out import HeldOut, held_out
from study.analysis.prediction.importance import Importance, axis_importance
from study.analysis.predictors import grouping_axis, texts
from study.analysis.survival.scaling import Scaling, scaling
from study.analysis.survival.survival_analysis import SurvivalAnalysis, survival_analysis
from study.analysis.table import as_results, usable, varying_axes
from study.analysis.table_axes import axes_of
from study.analysis.wording import count

ENOUGH_VALUES = 5
"""A boundary on an axis with fewer values is only seen in steps; axes with as many come first."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a study has found; each part says in words what it cannot tell."""

    table: pd.DataFrame
    survival: SurvivalAnalysis
    scaling: Scaling
    held_out: HeldOut
    importance: Importance
    axes: tuple[str, ...]
    """Numeric axes that vary, those first that a boundary is best looked for along."""
    panels: tuple[PhaseDiagram, ...]
    """Phase diagrams over the first two of `axes`, by the first choice that varies; none with fewer axes."""
    critical: tuple[CriticalValue, ...]
    """Critical values of the first of `axes`, likewise."""
    contours: tuple[Contour, ...]
    """Of smaller budgets and of the study's, told from times; none where they tell none."""
    onsets: Onsets

    @property
    def answers(self) -> tuple[str, ...]:
        """The study in a few sentences, the most important one first."""
        survival = self.survival
        found = [survival.answer]
        if survival.trials == 0 or not survival.axes:
            return (*found, *(() if survival.trials == 0 else ("No axis varies, so nothing can be compared.",)))
        if not survival.diverged:
            varied = ", ".join(survival.axes)
            found.append(f"So nothing can be said of what makes a trial diverge; what varied was {varied}.")
            return (*found, *((self.onsets.answer,) if len(self.onsets.trials) else ()))
        found += _by_panel(self.table)
        if survival.first.events:
            found.append(survival.first.answer)
        if survival.hazard_ratios.proportional is False:
            found.append(survival.differences.answer)
        product = self.scaling.law.constant_product
        if product is not None and self.scaling.law.estimated:
            found.append(f"After the first step, {product.answer}")
            if self.scaling.law.fit_as_well:
                found.append(self.scaling.law.fit_as_well)
            if self.scaling.pure is not None and self.scaling.pure.bent:
                found.append(self.scaling.pure.answer)
        found += [value.brief for value in self.critical if value.status == "inside"]
        if self.held_out.scores is not None:
            found += _predictability(self.held_out.accuracies, self.importance)
        if len(self.onsets.trials):
            found.append(self.onsets.answer)
        return tuple(filter(None, found))


def findings(table: pd.DataFrame, *, seed: int = 0) -> Findings:
    """Ask everything of a results table.

    Args:
        table: A results table, of a hundred or a thousand trials, of three, or of failed ones only.
        seed: Of the splits into held-out trials; the same one gives the same numbers.

    Raises:
        UserError: Not a results table.
    """
    table = as_results(table)
    predicted = held_out(table, seed=seed)
    importance = axis_importance(predicted)
    axes = boundary_axes(table, importance)
    by = grouping_axis(table)
    panels: tuple[PhaseDiagram, ...] = ()
    if len(axes) > 1:
        x, y = axes[:2]
        panels = phase_panels(table, x=x, y=y, by=by) if by else (phase_diagram(table, x=x, y=y),)
    return Findings(
        table=table,
        survival=survival_analysis(table),
        scaling=scaling(table),
        held_out=predicted,
        importance=importance,
        axes=axes,
        panels=panels,
        critical=critical_values(table, axis=axes[0], by=by) if axes else (),
        contours=contours(table),
        onsets=onsets(table),
    )


def boundary_axes(table: pd.DataFrame, importance: Importance) -> tuple[str, ...]:
    """The numeric axes that vary, in the order in which a boundary is best looked for along them.

    Those with `ENOUGH_VALUES` come first; among them those that are shown to matter, the most important one first; the
    rest are those first that count by their ratios, real numbers before whole ones, and else as documented.

    Args:
        table: A results table.
        importance: Of `study.analysis.prediction.importance.axis_importance`, with or without axes.
    """
    trials = usable(table)
    shown = [axis.axis for axis in importance.axes if axis.log_loss_rise_low > 0]
    columns = axes_of(trials).columns
    numeric = [axis for axis in varying_axes(trials) if columns[axis].is_numeric]

    def place(axis: str) -> tuple[bool, int, bool, bool]:
        few = trials[axis].nunique() < ENOUGH_VALUES
        matters = shown.index(axis) if axis in shown else len(shown)
        return few, matters, not columns[axis].logarithmic, columns[axis].kind == "int"

    return tuple(sorted(numeric, key=place))


def _predictability(accuracies: tuple[Accuracy, ...], importance: Importance) -> list[str]:
    whole, *others = accuracies
    if whole.low <= whole.commoner_accuracy:
        return [f"The configuration of an unseen trial is not shown to tell its outcome: {whole.words}."]
    matter = [axis.axis for axis in importance.axes if axis.log_loss_rise_low > 0]
    order = f"; what matters for it is, in this order, {', '.join(matter)}" if matter else ""
    return [
        f"The configuration of an unseen trial tells its outcome with an accuracy of {whole.words}{order}.",
        *(f"Of the {part.trials} trials without {part.without} it does with {part.words}." for part in others),
    ]


def _by_panel(table: pd.DataFrame) -> list[str]:
    """How many trials diverged, by the first choice that varies."""
    trials = usable(table)
    by = grouping_axis(trials)
    if by is None:
        return []
    died = (trials["outcome"] == "diverged").groupby(texts(trials[by])).agg(["sum", "count"])
    died = died.sort_values("sum", ascending=False, kind="stable")
    never = [str(value) for value, row in died.iterrows() if row["sum"] == 0]
    some = [f"{value} {row['sum']} of {row['count']}" for value, row in died.iterrows() if row["sum"]]
    sentence = f"By {by}, there diverged: {', '.join(some)}"
    if never:
        number = int(died.loc[never, "count"].sum())
        sentence += f"; none of {count(number, 'trial')} with {' or '.join(never)}"
    return [f"{sentence}."]
