"""Replicates for samplers that know nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class ReplicateSampler(BaseSampler):
    """Lets a sampler choose every `replicates`-th trial; the trials between repeat the one before them."""

    def __init__(self, sampler: BaseSampler, *, replicates: int) -> None:
        self._sampler = sampler
        self._replicates = replicates

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if trial.number % self._replicates:
            return {}
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if trial.number % self._replicates:
            return {}
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        leader = trial.number - trial.number % self._replicates
        if leader == trial.number:
            return self._sampler.sample_independent(study, trial, param_name, param_distribution)
        return study.get_trials(deepcopy=False)[leader].params[param_name]
