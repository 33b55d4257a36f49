"""Base of the samplers whose choices depend on the trial's number alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import exp, floor, log
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.space.samplers.independent import IndependentSampler

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class NumberedSampler(IndependentSampler):
    """Samples trial n as configuration n // replicates of a sequence fixed beforehand."""

    def __init__(self, *, replicates: int) -> None:
        self._replicates = replicates

    @abstractmethod
    def value(self, index: int, axis: str, distribution: BaseDistribution) -> Any:
        """Value of an axis in configuration `index` (0-based)."""

    def value_of(self, number: int, axis: str, distribution: BaseDistribution) -> Any:
        """Value of an axis in trial `number` (0-based)."""
        return self.value(number // self._replicates, axis, distribution)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.value_of(trial.number, param_name, param_distribution)


class UnitCubeSampler(NumberedSampler):
    """Samples by points of the unit cube with one coordinate for every axis, active or not."""

    def __init__(self, *, axes: Sequence[str], seed: int, replicates: int = 1) -> None:
        super().__init__(replicates=replicates)
        self._coordinate = {axis: index for index, axis in enumerate(axes)}
        self._seed = seed

    @abstractmethod
    def point(self, index: int) -> Sequence[float]:
        """Point `index` of the sequence: one number in [0, 1) for every axis."""

    def value(self, index: int, axis: str, distribution: BaseDistribution) -> Any:
        return from_unit(distribution, float(self.point(index)[self._coordinate[axis]]))


def from_unit(distribution: BaseDistribution, u: float) -> Any:
    """Map u in [0, 1) to a value, equal lengths of u to equal shares of the distribution.

    Whole numbers on a logarithmic scale take the length of log from n - 1/2 to n + 1/2, as in Optuna.
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[floor(u * len(choices))]
        case IntDistribution(low=low, high=high, log=True):
            bottom, top = log(low - 0.5), log(high + 0.5)
            return min(max(round(exp(bottom + u * (top - bottom))), low), high)
        case IntDistribution(low=low, high=high, step=step):
            return low + step * floor(u * ((high - low) // step + 1))
        case FloatDistribution(low=low, high=high, log=True):
            return min(max(exp(log(low) + u * (log(high) - log(low))), low), high)
        case FloatDistribution(low=low, high=high, step=None):
            return low + u * (high - low)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return min(low + step * floor(u * (floor((high - low) / step + 1e-9) + 1)), high)
    raise AssertionError(distribution)
