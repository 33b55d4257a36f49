"""The view of MLflow's run list in which a study opens, with the columns that matter."""

from __future__ import annotations

from collections.abc import Sequence

from study.tracking.private_mlflow import CREATED, RUN_NAME, saved_view_tag, view_address

KEY = "trials"

TIME_TO_NAN = "metrics.`time_to_nan`"
AFTER_AXES = (
    "tags.`outcome`",
    "metrics.`updates`",
    "metrics.`loss`",
    "metrics.`onset_update`",
    "tags.`onset_tensor`",
    "tags.`onset_layer`",
    "metrics.`onset_timestep`",
    "metrics.`nonfinite_weight`",
)

FIRST_WIDTHS = {RUN_NAME: 170, CREATED: 40, TIME_TO_NAN: 84}
"""Pixels. Of the time of making the mark of how the run ended is enough; the name begins with number and outcome."""
AXES_WIDTH = 490
"""Pixels for all axes: with the columns above, what a list has on a screen of 1500, MLflow's own panels left open."""
NARROWEST, WIDEST = 54, 120
"""Pixels for an axis."""


def view_tag(axes: Sequence[str], *, created: int) -> dict[str, str]:
    """The tag of an experiment that keeps the view: axes, time-to-NaN, outcome and onset, soonest NaN first.

    Args:
        axes: Names of params to show.
        created: Time of making, milliseconds since the epoch.
    """
    params = [f"params.`{axis}`" for axis in axes]
    width = min(max(AXES_WIDTH // max(len(params), 1), NARROWEST), WIDEST)
    state = {
        "searchFilter": "tags.`study.role` = 'trial'",
        "orderByKey": TIME_TO_NAN,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*params, TIME_TO_NAN, *AFTER_AXES],
        "columnOrder": [RUN_NAME, CREATED, *params, TIME_TO_NAN, *AFTER_AXES],
        "columnWidths": FIRST_WIDTHS | dict.fromkeys(params, width),
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    return saved_view_tag(KEY, name="Trials, soonest NaN first", state=state, created=created)


def address(experiment_id: str) -> str:
    """Where the view is, behind the address of the MLflow UI."""
    return view_address(experiment_id, key=KEY)
