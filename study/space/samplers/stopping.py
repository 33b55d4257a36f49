"""Base of the samplers that know when a study is done before its trials are spent."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from study.space.samplers.independent import IndependentSampler

if TYPE_CHECKING:
    from optuna.study import Study


class StoppingSampler(IndependentSampler):
    """A sampler with a stopping rule; it learns from results, so it is asked for one trial at a time."""

    @abstractmethod
    def is_done(self, study: Study) -> bool:
        """Whether no further trial is wanted."""

    @abstractmethod
    def verdict(self, study: Study) -> str:
        """What is known of what was looked for, as a sentence without its full stop."""
