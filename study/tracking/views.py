"""A saved view of MLflow's run list, so that a study opens with the columns that matter.

MLflow's UI keeps the views that people save as tags of the experiment: the key names the view, the value is JSON
with the state of the list, compressed. The UI offers them under "Views" and opens one by its key in the address.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable

KEY = "trials"
TAG = f"mlflow.sharedViewState.{KEY}"


def saved_view(axes: Iterable[str], *, created: int) -> str:
    """The tag's value: outcome, time-to-NaN, onset and the axes that vary, soonest NaN first.

    Args:
        axes: Names of params to show.
        created: Time of making, milliseconds since the epoch.
    """
    columns = ["tags.`outcome`", "metrics.`time_to_nan`", "metrics.`updates`", "metrics.`loss`"]
    onset = ["metrics.`onset_update`", "tags.`onset_tensor`", "tags.`onset_layer`", "metrics.`onset_timestep`"]
    columns += [*onset, "metrics.`nonfinite_weight`"]
    state = {
        "searchFilter": "tags.`study.role` = 'trial'",
        "orderByKey": "metrics.`time_to_nan`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, *(f"params.`{axis}`" for axis in axes)],
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
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps(
        {"name": "Trials, soonest NaN first", "createdAt": created, "updatedAt": created, "state": f"deflate;{packed}"}
    )


def address(experiment_id: str) -> str:
    """Where the view is, behind the address of the MLflow UI."""
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"
