"""Results tables of trials that never ran."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from study.analysis.table import as_results
from study.analysis.table_axes import with_axes
from study.trial.axes import Axes
from study.trial.config import EXAMPLE


def results_table(
    time: Sequence[float] | np.ndarray,
    *,
    budget: int | Sequence[int] = 60,
    failed: Sequence[int] = (),
    of: Axes = EXAMPLE.axes,
    **axes: object,
) -> pd.DataFrame:
    """Trials that diverge at the given times (rounded up to whole updates) if their budget lets them.

    Args:
        time: When each trial would diverge, in updates; infinite if never.
        budget: One for all trials or one for each.
        failed: Numbers of the trials that have no result.
        of: All axes of the study.
        axes: Values of some, one for all or one for each trial; the others are at their defaults.
    """
    whole = np.ceil(np.asarray(time, dtype=np.float64))
    number = np.arange(len(whole))
    lost = np.isin(number, failed)
    event = (whole <= budget) & ~lost
    default = {column: axis.default for column, axis in of.columns.items()}
    columns = {
        "trial_number": number,
        "outcome": np.where(lost, "failed", np.where(event, "diverged", "survived")),
        "time_to_nan": np.where(event, whole, np.nan),
        "updates": np.where(lost, np.nan, np.minimum(whole, budget)),
        **default,
        "budget": budget,
        **axes,
    }
    return as_results(with_axes(pd.DataFrame(columns, index=pd.RangeIndex(len(whole))), of))
