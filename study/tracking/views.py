"""The view of MLflow's run list in which a study opens, with the columns that matter."""

from __future__ import annotations

from collections.abc import Iterable

from study.tracking.private_mlflow import saved_view_tag, view_address

KEY = "trials"

BEFORE_AXES = ("tags.`outcome`", "metrics.`time_to_nan`", "metrics.`updates`", "metrics.`loss`")
AFTER_AXES = (
    "metrics.`onset_update`",
    "tags.`onset_tensor`",
    "tags.`onset_layer`",
    "metrics.`onset_timestep`",
    "metrics.`nonfinite_weight`",
)


def view_tag(axes: Iterable[str], *, created: int) -> dict[str, str]:
    """The tag of an experiment that keeps the view: outcome, time-to-NaN, onset and axes, soonest NaN first.

    Args:
        axes: Names of params to show.
        created: Time of making, milliseconds since the epoch.
    """
    state = {
        "searchFilter": "tags.`study.role` = 'trial'",
        "orderByKey": "metrics.`time_to_nan`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*BEFORE_AXES, *AFTER_AXES, *(f"params.`{axis}`" for axis in axes)],
        "columnOrder": [],
        "columnWidths": {},
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
