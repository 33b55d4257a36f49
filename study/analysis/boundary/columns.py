"""Points of a space as columns of numbers between 0 and 1, for models over all axes that vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from study.analysis.boundary.gaussian_process import Floats
from study.trial.axes import AxisValue

APART = 1 / math.sqrt(2)
"""What a category's own column holds, so that two categories are as far apart as the ends of a range."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """An axis of numbers: one column, from 0 at `low` to 1 at `high`.

    Attributes:
        low: Smallest value.
        high: Largest one.
        log: Whether equal ratios are equal distances.
        optional: Whether it is absent or unset in some configurations, which then have a second column of their own.
    """

    low: float
    high: float
    log: bool = False
    optional: bool = False

    @property
    def width(self) -> int:
        """Number of columns."""
        return 2 if self.optional else 1

    def columns(self, value: AxisValue) -> list[float]:
        """Where the axis is absent or unset: in the middle, and apart from every number by the second column."""
        missing = value is None or isinstance(value, str)
        place = 0.5 if missing else self._place(float(str(value)))
        return [place, float(missing)] if self.optional else [place]

    def _place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return 0.5 if high == low else (value - low) / (high - low)


@dataclass(frozen=True, kw_only=True)
class Categories:
    """An axis of choices: a column for each."""

    values: tuple[AxisValue, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.values)

    def columns(self, value: AxisValue) -> list[float]:
        """All 0 where the axis is absent."""
        return [APART if value == own and type(value) is type(own) else 0.0 for own in self.values]


Encoded: TypeAlias = Numbers | Categories


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The axes of a space, in their order."""

    axes: Mapping[str, Encoded]

    def encode(self, points: Sequence[Mapping[str, AxisValue]]) -> Floats:
        """Shape (points, columns).

        Args:
            points: Values by axis; one that does not exist in a configuration is left out.
        """
        rows = [[one for name, axis in self.axes.items() for one in axis.columns(point.get(name))] for point in points]
        return np.asarray(rows, dtype=float).reshape(len(points), sum(axis.width for axis in self.axes.values()))
