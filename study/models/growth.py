"""The growth that leads to a NaN, of a user's model.

What some updates start from is kept while the model is trained: every update at first, then every second one, every
fourth, ..., and the last ones. When the training is over, a few of these are repeated in a graph of their own. So the
training step stays the one that Keras makes, and rounds as it does. A repetition costs about what an update does, so
that where nothing has gone wrong no more than a share of the updates is repeated.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import keras
import numpy as np

from study.models.moment import Moment, now
from study.models.sizes import Sizes, UpdateSizes
from study.models.step import WatchedStep
from study.models.walk.update import without_optional
from study.trial.growth import EVENLY, LAST, OF_OUTPUT, STATE_FIGURES, Growth

Tensor: TypeAlias = Any

SHARE, FEWEST = 1 / 20, 5
"""Of a survivor's updates at most this share is repeated, or so many."""

ROOM = 2**28
"""Bytes of all that is kept; where the updates need more, fewer are kept."""


@dataclass(frozen=True, kw_only=True)
class _Point:
    """An update whose figures are taken later.

    Attributes:
        moment: What it started from, without the optimizer's own numbers.
        after: The trained weights that it left; None as long as they are those of the model.
    """

    moment: Moment
    after: Sequence[Tensor] | None


class GrowthOfModel:
    """Keeps what is needed for the growth of a model while it is trained, and tells it.

    Args:
        model: Compiled. Its weights are the initial ones, or it is built by its first update.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._evenly: list[_Point] = []
        self._last: deque[_Point] = deque(maxlen=LAST)
        self._every = 1
        self._next = 1
        self._initial: Sequence[Tensor] | None = None
        self._chosen: Sequence[int] = ()
        self._weights: Sequence[Any] = ()
        self._trained: Sequence[int] = ()

    def take(self, step: WatchedStep) -> None:
        """Take note of the update that was just done."""
        moment = step.moment
        if moment is None:
            return
        if self._initial is None:
            self._chosen = self._without_slots(moment)
            place_of = {id(variable): place for place, variable in enumerate(moment.variables)}
            self._weights = [weight for weight in self.model.trainable_weights if id(weight._value) in place_of]
            self._trained = [place_of[id(weight._value)] for weight in self._weights]
            self._initial = self._weights_in(moment)
        if self._last and self._last[-1].after is None:
            self._complete(self._weights_in(moment) if step.before is not None else None)
        values = [moment.values[place] for place in self._chosen]
        variables = [moment.variables[place] for place in self._chosen]
        point = _Point(moment=replace(moment, variables=variables, values=values), after=None)
        if self.model.steps_per_execution > 1:
            point = replace(point, after=[weight.value.read_value() for weight in self._weights])
        self._last.append(point)
        if moment.update >= self._next:
            self._evenly.append(point)
            self._next = moment.update + self._every
            if len(self._evenly) > self._most(point):
                self._evenly = self._evenly[::2]
                self._every *= 2
                self._next = self._evenly[-1].moment.update + self._every

    def growth(self, *, diverged: bool) -> Growth | None:
        """Of the updates that were kept; None where there was none, or they cannot be repeated.

        The model is left as it was found.

        Args:
            diverged: Whether the last updates led to the event: then all that were kept are told.
        """
        if not self._last or self._initial is None:
            return None
        self._complete([weight.value.read_value() for weight in self._weights])
        points = {point.moment.update: point for point in [*self._evenly, *self._last]}
        if not diverged:
            points = _some(points, at_most=max(FEWEST, int(SHARE * max(points))))
        state = now(self._last[-1].moment.variables, update=0)
        everything = now([weight._value for weight in self.model.optimizer.variables], update=0)
        sizes = UpdateSizes(self.model)
        rows = []
        try:
            for _, point in sorted(points.items()):
                point.moment.restore()
                batch = keras.tree.map_structure(without_optional, point.moment.batch)
                rows.append(self._figures(sizes.of(batch), point))
        except Exception:
            # The user's step cannot be taken apart in a graph: what the weights tell is left.
            rows = [self._of_weights(point) for _, point in sorted(points.items())]
        finally:
            everything.restore()
            state.restore()
        return Growth(updates=tuple(sorted(points)), figures=dict(_columns(rows)))

    def _without_slots(self, moment: Moment) -> Sequence[int]:
        """Places of the variables that an update's numbers depend on, before its step."""
        own = {id(variable._value) for variable in self.model.optimizer.variables if len(variable.shape)}
        return [place for place, variable in enumerate(moment.variables) if id(variable) not in own]

    def _weights_in(self, moment: Moment) -> Sequence[Tensor]:
        """The trained weights, as an update found them."""
        return [moment.values[place] for place in self._trained]

    def _most(self, point: _Point) -> int:
        flat = [
            one for one in keras.tree.flatten(point.moment.batch) if hasattr(one, "dtype") and hasattr(one, "shape")
        ]
        of_batch = sum(int(one.shape.num_elements() or 0) * int(one.dtype.size) for one in flat)
        return max(2, min(EVENLY, ROOM // max(2 * point.moment.size + of_batch, 1) - LAST))

    def _complete(self, after: Sequence[Tensor] | None) -> None:
        """Say what the last update left."""
        point = self._last[-1]
        if point.after is None and after is not None:
            self._last[-1] = replace(point, after=after)
            if self._evenly and self._evenly[-1] is point:
                self._evenly[-1] = self._last[-1]

    def _figures(self, sizes: Sizes, point: _Point) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, (size, rate) in STATE_FIGURES.items():
            if of_layers := sizes.states.get(name):
                figures[size] = _largest(float(values[-1]) for values in of_layers)
                figures[rate] = _fastest(of_layers)
        if sizes.gradient is not None:
            figures["gradient_norm"] = sizes.gradient
        outputs = {f"{OF_OUTPUT}{_plain(path)}": size for path, size in sizes.outputs.items()}
        return figures | self._of_weights(point) | outputs

    def _of_weights(self, point: _Point) -> dict[str, float]:
        if point.after is None or self._initial is None:
            return {}
        after = [np.asarray(one, np.float64) for one in point.after]
        initial = [np.asarray(one, np.float64) for one in self._initial]
        with np.errstate(all="ignore"):
            distance = math.sqrt(sum(float(np.square(a - b).sum()) for a, b in zip(after, initial, strict=True)))
            return {
                "weight_norm": math.sqrt(sum(float(np.square(a).sum()) for a in after)),
                "weight_distance": distance,
            }


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return math.sqrt(sum(float(np.square(one).sum()) for one in arrays))


def _some(points: Mapping[int, _Point], *, at_most: int) -> dict[int, _Point]:
    """Updates from the first to the last, as evenly as those that were kept allow."""
    numbers = np.array(sorted(points))
    wanted = np.linspace(numbers[0], numbers[-1], min(at_most, len(numbers)))
    nearest = {int(numbers[np.abs(numbers - one).argmin()]) for one in wanted}
    return {number: points[number] for number in sorted(nearest)}


def _largest(values: Iterable[float]) -> float:
    found = list(values)
    return max(found) if all(map(math.isfinite, found)) else math.nan


def _fastest(of_layers: Sequence[np.ndarray]) -> float:
    rates = [rate for rate in map(growth_rate, of_layers) if math.isfinite(rate)]
    return max(rates, default=math.nan)


def growth_rate(largest: np.ndarray) -> float:
    """Slope of the logarithm over the timesteps, (timesteps,): the least-squares line's, per timestep.

    Values that are zero or not finite are left out; where fewer than two are left, it is NaN.
    """
    with np.errstate(all="ignore"):
        logs = np.log(np.asarray(largest, np.float64))
    known = np.flatnonzero(np.isfinite(logs))
    return float(np.polyfit(known, logs[known], 1)[0]) if len(known) > 1 else math.nan


def _plain(path: str) -> str:
    """A path of layers as MLflow takes it in the name of a metric."""
    parts = [re.sub(r"[^\w.\- :]", "_", part).strip(".") or "_" for part in path.split("/")]
    return "/".join(parts)[:200]


def _columns(rows: Sequence[Mapping[str, float]]) -> Iterable[tuple[str, tuple[float | None, ...]]]:
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name, math.nan) for row in rows]
        yield name, tuple(float(f"{value:.6g}") if math.isfinite(value) else None for value in values)
