"""A results table as an Optuna study, for the plots of `optuna.visualization`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from study.analysis.predictors import predictor_axes
from study.analysis.table_axes import axes_of
from study.report.plots.time_scale import TimeScale
from study.trial.axes import NONE, Axis, AxisValue, as_text

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution


def as_study(trials: pd.DataFrame) -> Study:
    """The trials of a results table in memory, with the axes that vary as parameters.

    The objective is the place on `TimeScale`: of a trial that diverged the logarithm of its time, of a survivor a value
    above all of these. A number that is unset in a trial is no parameter of it.

    Args:
        trials: Those that have a result.
    """
    import optuna

    columns = axes_of(trials).columns
    distributions = {name: _distribution(columns[name], trials[name]) for name in predictor_axes(trials)}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(verbosity)
    for row, place in zip(trials.to_dict("records"), TimeScale.of(trials).places(trials), strict=True):
        values = {name: _value(columns[name], row[name]) for name in distributions}
        given = {name: value for name, value in values.items() if value is not None}
        study.add_trial(
            optuna.create_trial(
                params=given, distributions={name: distributions[name] for name in given}, value=float(place)
            )
        )
    return study


def _value(axis: Axis, value: object) -> AxisValue:
    if pd.isna(value):  # type: ignore[call-overload]
        return None if axis.is_numeric else NONE
    if axis.is_numeric:
        return int(str(value)) if axis.kind == "int" else float(str(value))
    return as_text(value)


def _distribution(axis: Axis, values: pd.Series) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = [value for value in dict.fromkeys(_value(axis, one) for one in values) if value is not None]
    if not axis.is_numeric:
        return CategoricalDistribution(sorted(map(str, found)))
    low, high = min(map(float, found)), max(map(float, found))
    log = axis.logarithmic and low > 0
    if axis.kind == "int":
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)
