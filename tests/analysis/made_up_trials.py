"""Results tables of trials that never ran."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from study.analysis.table import AXIS_OF, as_results
from study.trial.config import TrialConfig


def results_table(
    time: Sequence[float] | np.ndarray, *, budget: int = 60, failed: Sequence[int] = (), **axes: object
) -> pd.DataFrame:
    """Trials that diverge at the given times (rounded up to whole updates) if their budget lets them.

    Args:
        time: When each trial would diverge, in updates; infinite if never.
        budget: Of every trial.
        failed: Numbers of the trials that have no result.
        axes: Values of axes, one for all or one for each trial; the others are those of the minimal example.
    """
    whole = np.ceil(np.asarray(time, dtype=np.float64))
    number = np.arange(len(whole))
    lost = np.isin(number, failed)
    event = (whole <= budget) & ~lost
    default = {name: TrialConfig.model_fields[axis].default for name, axis in AXIS_OF.items()}
    columns = {
        "trial_number": number,
        "outcome": np.where(lost, "failed", np.where(event, "diverged", "survived")),
        "time_to_nan": np.where(event, whole, np.nan),
        "updates": np.where(lost, np.nan, np.minimum(whole, budget)),
        **default,
        "budget": budget,
        **axes,
    }
    return as_results(pd.DataFrame(columns, index=pd.RangeIndex(len(whole))))
