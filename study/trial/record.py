"""`Record`: what is known of a trial that has finished, whether it has a result or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.trial.config import TrialConfig
from study.trial.result import TrialResult


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished trial of a study: its result, or why it has none."""

    number: int
    """Number of the trial in its study, from 0."""
    config: TrialConfig
    result: TrialResult | None = None
    failure: str | None = None
    end_time: float
    """Seconds since the epoch."""

    def as_dict(self) -> dict[str, Any]:
        """The record as values of strict JSON, without its number."""
        return {
            "config": self.config.params(),
            "result": self.result and self.result.to_json(),
            "failure": self.failure,
            "end_time": self.end_time,
        }

    @classmethod
    def from_dict(cls, number: int, values: dict[str, Any]) -> Record:
        """Read back what `as_dict` gave."""
        return cls(
            number=number,
            config=TrialConfig.parse(values["config"]),
            result=values["result"] and TrialResult.from_json(values["result"]),
            failure=values["failure"],
            end_time=values["end_time"],
        )
