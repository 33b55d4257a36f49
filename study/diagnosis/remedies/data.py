"""Changes to the data: rows left out, gaps filled, inputs and targets standardised, sequences shortened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.diagnosis.remedies.axis import changed
from study.diagnosis.remedies.base import CannotChange, Remedy

if TYPE_CHECKING:
    from study.models.data import Arrays
    from study.models.prepared import Prepared
    from study.trial.axes import AxisValue
    from study.trial.config import TrialConfig


def arrays_of(prepared: Prepared) -> Arrays:
    """The data as arrays.

    Raises:
        CannotChange: They are a stream of batches.
    """
    from study.models.data import Arrays

    if not isinstance(prepared.data, Arrays):
        raise CannotChange("its data are a stream of batches, which cannot be changed from outside")
    return prepared.data


def nonfinite_rows(data: Arrays) -> np.ndarray:
    """Numbers of the rows that have a number that is not finite, (rows,)."""
    from study.models.libraries import keras

    bad = np.zeros(data.rows, dtype=bool)
    for leaf in keras.tree.flatten(data.parts):
        array = np.asarray(leaf) if leaf is not None else None
        if array is not None and array.dtype.kind == "f":
            bad |= ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return np.flatnonzero(bad)


@dataclass(frozen=True)
class RowsLeftOut(Remedy):
    """Some rows are not trained on."""

    id = "rows_left_out"
    size = 2
    rows: tuple[int, ...]

    @property
    def change(self) -> str:
        named = ", ".join(map(str, self.rows[:5])) + (f" and {len(self.rows) - 5} more" if len(self.rows) > 5 else "")
        return f"leave out row{'' if len(self.rows) == 1 else 's'} {named} of the data"

    def apply(self, prepared: Prepared) -> Prepared:
        from dataclasses import replace

        data = arrays_of(prepared)
        kept = np.setdiff1d(np.arange(data.rows), self.rows)
        if not len(kept):
            raise CannotChange("no row would be left")
        return replace(prepared, data=data.take(kept))


@dataclass(frozen=True)
class GapsFilled(Remedy):
    """What is not finite in the inputs becomes the mean of its column."""

    id = "gaps_filled"
    size = 2

    @property
    def change(self) -> str:
        return "fill what is not finite in the inputs with the mean of its column"

    def apply(self, prepared: Prepared) -> Prepared:
        arrays_of(prepared)

        def filled(part: str, array: Any) -> Any:
            values = np.asarray(array)
            if part != "x" or values.dtype.kind != "f":
                return values
            finite = np.isfinite(values)
            columns = tuple(range(values.ndim - 1)) if values.ndim > 1 else (0,)
            total = np.where(finite, values, 0).sum(axis=columns, keepdims=True, dtype=np.float64)
            mean = total / np.maximum(finite.sum(axis=columns, keepdims=True), 1)
            return np.where(finite, values, mean).astype(values.dtype)

        return prepared.with_data(filled)


@dataclass(frozen=True)
class Standardised(Remedy):
    """Every column of the inputs, and numeric targets, to mean 0 and deviation 1."""

    id = "standardised"
    size = 3
    targets: bool

    @property
    def change(self) -> str:
        what = "the inputs and the targets" if self.targets else "the inputs"
        return f"standardise {what}: (x - mean) / deviation, column by column"

    def apply(self, prepared: Prepared) -> Prepared:
        arrays_of(prepared)

        def standardised(part: str, array: Any) -> Any:
            values = np.asarray(array)
            if values.dtype.kind not in "fiu" or part == "sample_weight" or (part == "y" and not self.targets):
                return array
            if part == "x" and values.dtype.kind != "f":
                return array  # numbers of words or categories
            columns = tuple(range(values.ndim - 1)) if values.ndim > 1 else (0,)
            exact = values.astype(np.float64)
            deviation = exact.std(axis=columns, keepdims=True)
            mean = exact.mean(axis=columns, keepdims=True)
            return ((exact - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)

        return prepared.with_data(standardised)

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        return changed(config, input_mean=0.0)
