"""`TrialResult`: what every engine returns, and its form as strict JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.growth import Growth
from study.trial.onset import Onset
from study.trial.timeline import Timeline

Config = TypeVar("Config", bound=Configuration, default=TrialConfig, covariant=True)
"""What a trial was made of: the example's configuration, unless told otherwise."""

OUTCOMES = ("diverged", "survived", "failed")
"""What a trial can come to; one that failed has no result at all."""


@dataclass(frozen=True, kw_only=True)
class TrialResult(Generic[Config]):
    """The outcome of one trial.

    A trial diverges at the first update whose loss is not finite; otherwise it runs to its budget and its
    time-to-NaN is right-censored there.
    """

    config: Config
    loss: tuple[float, ...]
    """Loss of update 1, 2, ...; only the last one can be non-finite. The length is the updates run."""
    engine: str
    """`reference` or `compiled`."""
    device: str
    """What trained it: `CPU`, or the GPU's name."""
    seconds: float
    """Wall-clock time of the trial, building and tracing included; its share, where others were trained beside it."""
    population: int = 1
    """Number of trials that its program trains side by side; a replay is to the last bit with the same number."""
    timeline: Timeline | None = None
    """First update of every kind of number that is not finite; None of the reference engine, which takes no notice."""
    onset: Onset | None = None
    """The very first number that was not finite; None where all were, and of the reference engine."""
    growth: Growth | None = None
    """Figures by update of what leads to a NaN; None of the reference engine."""

    def __post_init__(self) -> None:
        assert 1 <= len(self.loss) <= self.config.updates
        assert all(math.isfinite(loss) for loss in self.loss[:-1])
        assert self.diverged or len(self.loss) == self.config.updates

    @property
    def updates(self) -> int:
        """Number of updates run, the diverging one included."""
        return len(self.loss)

    @property
    def diverged(self) -> bool:
        return not math.isfinite(self.loss[-1])

    @property
    def outcome(self) -> Literal["diverged", "survived"]:
        return "diverged" if self.diverged else "survived"

    @property
    def time_to_nan(self) -> int | None:
        """1-based number of the first update whose loss is not finite; None where the trial survived."""
        return self.updates if self.diverged else None

    def as_dict(self) -> dict[str, Any]:
        """The result as values of strict JSON: non-finite numbers are the texts `nan`, `inf`, `-inf`."""
        return {
            "config": self.config.as_json(),
            "outcome": self.outcome,
            "time_to_nan": self.time_to_nan,
            "updates": self.updates,
            "loss": [_number_or_text(loss) for loss in self.loss],
            "timeline": self.timeline,
            "onset": self.onset and self.onset.as_dict(),
            "growth": self.growth and self.growth.as_dict(),
            "engine": self.engine,
            "device": self.device,
            "seconds": self.seconds,
            "population": self.population,
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> TrialResult:
        """Read back what `to_json` wrote; losses are the same to the last bit."""
        values = json.loads(text)
        return TrialResult(
            config=TrialConfig.model_validate(values["config"]),
            loss=tuple(float(loss) for loss in values["loss"]),
            **{name: values[name] for name in ("engine", "device", "seconds")},
            population=values.get("population", 1),
            timeline=values.get("timeline"),
            onset=Onset.from_dict(values["onset"]) if values.get("onset") else None,
            growth=Growth.from_dict(values["growth"]) if values.get("growth") else None,
        )


def _number_or_text(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def first_difference(one: TrialResult[Any], other: TrialResult[Any]) -> int | None:
    """1-based number of the first update whose losses differ in any bit; None where all are the same.

    NaN is equal to NaN here. Where one result ends before the other, the first update it lacks differs.
    """
    for update, pair in enumerate(zip_longest(one.loss, other.loss), start=1):
        if str(pair[0]) != str(pair[1]):
            return update
    return None


def describe(result: TrialResult[Any]) -> str:
    """What a trial came to, in a sentence."""
    if not result.diverged:
        return f"Survived its budget of {result.updates} updates; its time-to-NaN is censored there."
    before = f"; the loss before it was {result.loss[-2]:.4g}" if result.updates > 1 else ""
    return f"Diverged: the loss of update {result.updates} was {result.loss[-1]}{before}."
