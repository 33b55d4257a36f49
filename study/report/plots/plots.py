"""All interactive plots of a study."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator

import pandas as pd

from study.analysis.findings import boundary_axes
from study.analysis.prediction.importance import Importance
from study.analysis.predictors import predictor_axes, with_result
from study.report.plots.contour import contour
from study.report.plots.importances import importances
from study.report.plots.parallel_coordinates import parallel_coordinates
from study.report.plots.plot import Plot
from study.report.plots.times import times
from study.report.tables import load
from study.trial.errors import UserError


def plots(study: str | pd.DataFrame) -> tuple[Plot, ...]:
    """All interactive plots that a study has something for.

    Args:
        study: A results table, or the name of one as `study.report.tables.load` takes it.

    Raises:
        UserError: No such study, or no axis that varies in it.

    Example:
        >>> plots("recorded:card")[0]
    """
    trials = with_result(load(study) if isinstance(study, str) else study)
    if not len(trials) or not predictor_axes(trials):
        raise UserError(
            f"{study if isinstance(study, str) else 'the results table'}: has no plots; "
            "that needs trials with a result and an axis that varies"
        )
    return tuple(_plots(trials))


def _plots(trials: pd.DataFrame) -> Iterator[Plot]:
    with warnings.catch_warnings():
        # In a notebook without widgets tqdm warns of progress bars, which no plot has.
        warnings.filterwarnings("ignore", message="IProgress not found")
        importlib.import_module("optuna.visualization")
    yield times(trials)
    yield parallel_coordinates(trials)
    numeric = boundary_axes(trials, Importance(axes=(), words=""))
    if len(numeric) > 1:
        yield contour(trials, x=numeric[0], y=numeric[1])
    if len(trials) >= 4 and trials["updates"].nunique() > 1:
        yield importances(trials)
