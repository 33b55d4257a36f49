"""`Case`: what is measured of a training that went wrong, plain facts that the causes conclude from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from study.models.onset import ModelOnset

HUGE = 1e15
"""Above this a number is on its way to overflow, and its place is where the way ended and not where it began."""


@dataclass(frozen=True, kw_only=True)
class ArrayFacts:
    """Of one array of the data.

    Attributes:
        name: `x`, `y`, `x/a` and so on.
        part: `x`, `y` or `sample_weight`.
        floating: Whether it holds numbers with a fraction, and not numbers of words or classes.
        nonfinite: Count of its numbers that are not finite.
        columns: Numbers of the columns (last axis) that have such, the first 20.
        largest: Largest finite magnitude.
        deviation: Largest standard deviation of a column.
        distinct: Number of distinct values, counted up to 20.
    """

    name: str
    part: str
    floating: bool
    nonfinite: int
    columns: tuple[int, ...]
    largest: float
    deviation: float
    distinct: int


@dataclass(frozen=True, kw_only=True)
class RecurrentFacts:
    """Of one recurrent layer, at the weights before the update that went wrong.

    Attributes:
        layer: Its name.
        activation: Of its cell.
        bounded: Whether that has a bound.
        growth: Factor by which its largest state grows per timestep, over the second half of the sequence.
        largest: Largest magnitude of a state.
    """

    layer: str
    activation: str
    bounded: bool
    growth: float
    largest: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training and what was measured of it.

    Attributes:
        loss: Of every update.
        diverged: Whether the event that ends a training happened.
        budget: The largest number of updates.
        onset: The first number that was not finite; None of a training where all were.
        learning_rate: None where it follows a schedule.
        epsilon: The optimizer's; None where it has none.
        optimizer: Its class.
        half: Names of layers that compute in float16 or bfloat16.
        arrays: Of the data; of a stream those of the batch of the update that went wrong.
        bad_rows: Rows of the arrays with a number that is not finite.
        recurrent: The recurrent layers.
        largest_output: Largest finite magnitude of a layer's output in the forward pass of the update.
        largest_kernel: The largest root mean square of a kernel at the first update, in units of Glorot's deviation; 0
            where it went wrong later.
        same_update: What the same update did with something changed: `float32`, `bounded`, `sample_left_out`,
            `smaller_weights`, `usual_weights` -> whether it stayed finite.
        again: Whether the same training went wrong once more when it was begun again; None where that was not tried.
        seconds: Per update, compiling aside.
        seconds_before: From the start to the end of the first update.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="strings")

    loss: tuple[float, ...]
    diverged: bool
    budget: int
    onset: ModelOnset | None
    learning_rate: float | None
    epsilon: float | None
    optimizer: str
    half: tuple[str, ...]
    arrays: tuple[ArrayFacts, ...]
    bad_rows: tuple[int, ...]
    recurrent: tuple[RecurrentFacts, ...] = ()
    largest_output: float = 0.0
    largest_kernel: float = 0.0
    same_update: Mapping[str, bool] = field(default_factory=dict)
    again: bool | None = None
    seconds: float = 0.0
    seconds_before: float = 0.0

    @property
    def at_once(self) -> bool:
        """Whether the first update went wrong, before any step."""
        return (self.onset is not None and self.onset.update == 1) or (self.diverged and len(self.loss) == 1)

    @property
    def before_any_step(self) -> bool:
        """Whether it went wrong before any step was made: no setting of the optimizer can help then.

        A gradient that has overflowed cannot be clipped, and is infinite at any learning rate.
        """
        return self.at_once and self.onset is not None and self.onset.phase != "optimizer"

    @property
    def largest_input(self) -> float:
        return max((array.largest for array in self.arrays if array.part == "x" and array.floating), default=0.0)

    @property
    def largest_target(self) -> float:
        """Of targets that are numbers and not classes."""
        return max((array.largest for array in self.arrays if array.part == "y" and array.distinct >= 20), default=0.0)


def growth_per_timestep(sizes: Sequence[float]) -> float:
    """Factor by which a state grows, by the slope of its logarithm over the second half of what is finite and not 0.

    Args:
        sizes: Largest magnitude at every timestep, in the order of time.
    """
    finite = np.array([size for size in sizes if math.isfinite(size) and size > 0])
    half = np.log(finite[len(finite) // 2 :])
    return float(np.exp(np.polyfit(np.arange(len(half)), half, 1)[0])) if len(half) > 2 else 1.0
