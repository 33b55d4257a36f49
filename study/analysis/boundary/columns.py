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
    """

    low: float
    high: float
    log: bool = False

    def columns(self, value: AxisValue) -> list[float]:
        """The middle where the axis is absent or unset."""
        if value is None or isinstance(value, str):
            return [0.5]
        low, high, given = self.low, self.high, float(value)
        if self.log:
            low, high, given = math.log(low), math.log(high), math.log(given)
        return [0.5 if high == low else (given - low) / (high - low)]


@dataclass(frozen=True, kw_only=True)
class Categories:
    """An axis of choices: a column for each."""

    values: tuple[AxisValue, ...]

    def columns(self, value: AxisValue) -> list[float]:
        """All 0 where the axis is absent."""
        return [APART if value == own and type(value) is type(own) else 0.0 for own in self.values]


Encoded: TypeAlias = Numbers | Categories


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The axes of a space, in their order."""

    axes: Mapping[str, Encoded]

    @property
    def groups(self) -> list[int]:
        """Number of columns of each axis."""
        return [len(axis.values) if isinstance(axis, Categories) else 1 for axis in self.axes.values()]

    def encode(self, points: Sequence[Mapping[str, AxisValue]]) -> Floats:
        """Shape (points, columns).

        Args:
            points: Values by axis; one that does not exist in a configuration is left out.
        """
        rows = [[one for name, axis in self.axes.items() for one in axis.columns(point.get(name))] for point in points]
        return np.asarray(rows, dtype=float).reshape(len(points), sum(self.groups))
