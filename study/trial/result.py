"""`TrialResult`: what every engine returns, and its form as strict JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Generic

from typing_extensions import TypeVar

from study.trial.config import EXAMPLE, TrialConfig
from study.trial.design import Configuration, Design
from study.trial.divergence import NONFINITE, Divergence, divergence_of
from study.trial.growth import Growth
from study.trial.onset import Onset
from study.trial.outcome import LOSS_THRESHOLD, Outcome
from study.trial.phrases import exploded
from study.trial.timeline import Timeline

Config = TypeVar("Config", bound=Configuration, default=TrialConfig, covariant=True)
"""What a trial was made of: the example's configuration, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class TrialResult(Generic[Config]):
    """What came of one trial; `outcome` says it in a word and a time."""

    config: Config
    loss: tuple[float, ...]
    """Loss of update 1, 2, ...; only the last one can be the event that ends a trial. The length is the updates run."""
    engine: str
    """`reference` or `compiled`."""
    device: str
    """What trained it: `CPU`, or the GPU's name."""
    seconds: float
    """Wall-clock time of the trial, building and tracing included; its share, where others were trained beside it."""
    divergence: Divergence = NONFINITE
    """The event that ended it if it happened."""
    exploded_above: float = LOSS_THRESHOLD
    """The finite loss above which it has exploded where it survived."""
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
        assert not any(self.divergence.happened(loss) for loss in self.loss[:-1])
        assert self.diverged or len(self.loss) == self.config.updates

    @property
    def outcome(self) -> Outcome:
        return Outcome.of(self.loss, divergence=self.divergence, threshold=self.exploded_above)

    @property
    def updates(self) -> int:
        """Number of updates run, the diverging one included."""
        return len(self.loss)

    @property
    def diverged(self) -> bool:
        """Whether the event happened."""
        return self.divergence.happened(self.loss[-1])

    @property
    def time_to_nan(self) -> int | None:
        """1-based number of the update of the event, NaN or another; None where the trial survived."""
        return self.outcome.time

    def as_dict(self) -> dict[str, Any]:
        """The result as values of strict JSON: non-finite numbers are the texts `nan`, `inf`, `-inf`."""
        return {
            "config": self.config.as_json(),
            "divergence": str(self.divergence),
            "outcome": self.outcome.name,
            "exploded": self.outcome.exploded,
            "exploded_above": self.exploded_above,
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
    def from_json(cls, text: str, *, design: Design = EXAMPLE) -> TrialResult[Any]:
        """Read back what `to_json` wrote of a trial of this design; losses are the same to the last bit."""
        values = json.loads(text)
        return TrialResult(
            config=design.config(values["config"]),
            loss=tuple(float(loss) for loss in values["loss"]),
            **{name: values[name] for name in ("engine", "device", "seconds")},
            divergence=divergence_of(values.get("divergence", str(NONFINITE))),
            exploded_above=values.get("exploded_above", LOSS_THRESHOLD),
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
    outcome, last = result.outcome, result.loss[-1]
    if not outcome.diverged:
        but = f", but its loss exploded: {exploded(result.loss, result.exploded_above)}" if outcome.exploded else ""
        time = result.divergence.words.time
        return f"Survived its budget of {outcome.updates} updates{but}; its {time} is censored there."
    came = result.divergence.passed(last) if math.isfinite(last) else f"was {last}"
    before = f"; the loss before it was {result.loss[-2]:.4g}" if outcome.updates > 1 else ""
    return f"Diverged: the loss of update {outcome.updates} {came}{before}."
