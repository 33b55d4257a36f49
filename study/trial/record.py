"""`Record`: what is known of a trial that has finished, whether it has a result or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.trial.config import EXAMPLE
from study.trial.design import Configuration, Design
from study.trial.result import TrialResult


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished trial of a study: its result, or why it has none."""

    number: int
    """Number of the trial in its study, from 0."""
    config: Configuration
    result: TrialResult[Any] | None = None
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
    def from_dict(cls, number: int, values: dict[str, Any], *, design: Design = EXAMPLE) -> Record:
        """Read back what `as_dict` gave of a trial of this design."""
        return cls(
            number=number,
            config=design.config(values["config"]),
            result=values["result"] and TrialResult.from_json(values["result"], design=design),
            failure=values["failure"],
            end_time=values["end_time"],
        )
