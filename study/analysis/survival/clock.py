"""The clock of a trial: updates are counted, steps move the weights.

An update computes the loss of its batch and then takes a step, so **the loss of update n is that of the weights after
n - 1 steps**. With S the number of steps, in continuous time, after which the weights give a loss that is not finite,
a time-to-NaN of n says that n - 2 steps were too few and n - 1 enough:

    n = 1 + ceil(S),  so  S is in (n - 2, n - 1]        a survivor of a budget of B updates: S > B - 1

A time-to-NaN of 1 says S <= 0: the initial weights gave NaN, and no step had a part in it. Two things follow.

- Where a property of training scales a time (learning rate, units, timesteps; a ratio of two times; learning rate
  times time as a way), the time is counted in steps. In updates every time is too long by one; at a time-to-NaN of 2
  that is half of it, and an exponent of -1 is found as -0.9.
- Trials at update 1 are a part of their own (`study.analysis.survival.first_update`), and the time of the others is
  asked about without them.

What only orders or counts trials (survival curves, the log-rank test, hazard ratios, medians) is the same on both
clocks and is told in updates, as the loss is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.table import durations, usable

FIRST = 1
"""The update before which no step was taken."""


def at_first_update(table: pd.DataFrame) -> pd.Series:
    """Whether each trial diverged at update 1, shape (rows): before any step."""
    time = table["time_to_nan"].astype("Int64")
    return (table["outcome"] == "diverged") & (time == FIRST).fillna(False).astype(bool)


def past_first_update(table: pd.DataFrame) -> pd.DataFrame:
    """The trials of which something is known after a step, with the rows' own index.

    Failed trials and those that diverged at update 1 are left out, and so are survivors of a budget of one update.
    """
    trials = usable(table)
    return trials[trials["updates"] > FIRST]


def steps_between(table: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Between how many steps each trial diverged.

    Args:
        table: Of `past_first_update`.

    Returns:
        low: The trial was finite after this many steps, shape (rows).
        high: It was not after this many, shape (rows); infinite of a survivor.
    """
    duration, event = durations(table)
    return steps_of(duration.to_numpy(dtype=np.float64), event.to_numpy(dtype=bool))


def steps_of(
    updates: npt.NDArray[np.float64], diverged: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Between how many steps trials diverged, as `steps_between`.

    Args:
        updates: Number of updates run, at least 2: the time-to-NaN of those that diverged; shape (trials,).
        diverged: Whether they did, shape (trials,).
    """
    last = updates - FIRST
    assert (last >= 1).all()
    return np.where(diverged, last - 1, last), np.where(diverged, last, np.inf)
