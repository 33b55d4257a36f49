"""Optuna's importances of the axes."""

from __future__ import annotations

import pandas as pd

from study.analysis.table import event_of
from study.report.figures.drawing import SURVIVED
from study.report.plots.as_study import as_study
from study.report.plots.plot import LINES, Plot, styled

TREES = 64


def importances(trials: pd.DataFrame) -> Plot:
    """Optuna's importances of the axes for the time to NaN.

    Args:
        trials: Those that have a result.
    """
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    words = event_of(trials).words
    figure = plot_param_importances(
        as_study(trials), evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=0), target_name=words.time
    )
    figure.data[0].update(marker={"color": SURVIVED})
    figure.update_layout(
        title=None,
        xaxis={"title": {"text": "share of the variance"}, **LINES},
        yaxis={"title": {"text": ""}},
        showlegend=False,
    )
    return Plot(
        name="importances",
        title="Importances",
        caption=(
            f"The share of the variance of log {words.time} that an axis explains alone, by a forest (F. Hutter, H. "
            "Hoos and K. Leyton-Brown, An efficient approach for assessing hyperparameter importance, 2014), of axes "
            "that every trial has; survivors count with a time beyond their budget. It has no interval: the report's "
            "importances have, and are of held-out trials."
        ),
        figure=styled(figure),
    )
