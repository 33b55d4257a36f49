"""The cause of a trial's NaN by measurement alone: no remedy is run.

It is what a sweep keeps of its exemplary trials, and what a report reads: whoever reads runs no user's code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.diagnosis.causes import CAUSES
from study.diagnosis.loop import causes_of
from study.diagnosis.result import Concluded
from study.trial.config import EXAMPLE, TrialConfig
from study.trial.design import Configuration, Design
from study.trial.divergence import NONFINITE, Divergence
from study.trial.result import TrialResult

if TYPE_CHECKING:
    from study.diagnosis.case import Case
    from study.models.file import ModelFile


@dataclass(frozen=True, kw_only=True)
class MeasuredCause:
    """What a trial's NaN is concluded to come from.

    Attributes:
        cause: The likeliest.
        also: Ids of others, less likely.
    """

    cause: Concluded
    also: tuple[str, ...] = ()

    @classmethod
    def of(cls, concluded: Sequence[Concluded]) -> MeasuredCause:
        """Of causes, the likeliest first."""
        return cls(cause=concluded[0], also=tuple(one.id for one in concluded[1:]))

    @property
    def means(self) -> str:
        """What the cause means, in a clause."""
        return next((cause.means for cause in CAUSES if cause.id == self.cause.id), "none of the known causes fits")

    def to_json(self) -> str:
        """What `from_json` reads back."""
        return json.dumps({"cause": self.cause.as_dict(), "also": list(self.also)}, allow_nan=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> MeasuredCause:
        values = json.loads(text)
        cause = values["cause"]
        concluded = Concluded(id=cause["id"], weight=0.0, sentence=cause["sentence"], evidence=tuple(cause["evidence"]))
        return cls(cause=concluded, also=tuple(values["also"]))


def measure(
    config: Configuration, *, model: ModelFile | None = None, divergence: Divergence = NONFINITE
) -> MeasuredCause | None:
    """Train a trial again, and measure why it goes to NaN; None where nothing goes wrong.

    Args:
        config: The trial.
        model: The file of a trial of one.
        divergence: The event that ends the trial before its budget.

    Raises:
        UserError: The model file cannot be trained.
    """
    case = _examined(config, model, divergence)
    return None if case.onset is None and not case.diverged else MeasuredCause.of(causes_of(case))


def _examined(config: Configuration, model: ModelFile | None, divergence: Divergence) -> Case:
    if isinstance(config, TrialConfig):
        from study.diagnosis import example

        return example.examine(config, divergence=divergence)
    from study.diagnosis.examine import examine
    from study.trial.model_design import ModelConfig

    assert model is not None
    assert isinstance(config, ModelConfig)
    return examine(model, config, divergence=divergence)


def measured_text(recorded: str, *, model: ModelFile | None = None, design: Design = EXAMPLE) -> str:
    """`measure` for a worker: what travels is text.

    Args:
        recorded: The trial's result, JSON.
        model: The model file of the study.
        design: What its trials are made of.

    Raises:
        RuntimeError: This time nothing went wrong.
    """
    result = TrialResult.from_json(recorded, design=design)
    found = measure(result.config, model=model, divergence=result.divergence)
    if found is None:
        raise RuntimeError("it does not go to NaN when it is trained again")
    return found.to_json()
