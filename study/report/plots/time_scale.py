"""The scale of times to NaN in a plot: logarithmic, with a place of their own for survivors above it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis.predictors import Floats, numbers

TICKS = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))


@dataclass(frozen=True)
class TimeScale:
    """Where a time stands.

    Attributes:
        budget: The largest budget of a trial, in updates.
    """

    budget: int

    @classmethod
    def of(cls, trials: pd.DataFrame) -> TimeScale:
        """Of trials that have a result."""
        return cls(int(numbers(trials, "budget").max()))

    @property
    def survived(self) -> float:
        """The place of survivors: above every time, for theirs is known to be larger than their budget alone."""
        return 1.12 * max(math.log10(self.budget), 0.5)

    def places(self, trials: pd.DataFrame) -> Floats:
        """Shape (trials,)."""
        diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
        return np.where(diverged, np.log10(numbers(trials, "updates")), self.survived)

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Places of ticks and their labels."""
        times = [time for time in TICKS if time <= self.budget]
        return [*(math.log10(time) for time in times), self.survived], [*map(str, times), "survived"]
