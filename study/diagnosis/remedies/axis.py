"""Another value of one of the model file's axes; the model is built anew with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.diagnosis.remedies.base import CannotChange, Remedy
from study.trial.axes import AxisValue, as_text

if TYPE_CHECKING:
    from study.models.prepared import Prepared
    from study.trial.config import TrialConfig


@dataclass(frozen=True)
class OtherValue(Remedy):
    """An axis of the file at another value."""

    id = "axis"
    size = 3
    axis: str
    value: AxisValue

    @property
    def key(self) -> str:
        return f"{self.axis}={as_text(self.value)}"

    @property
    def change(self) -> str:
        return self.key

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.prepare import prepare

        config, file = prepared.config, prepared.file
        if file is None:
            raise CannotChange("there is no model file that could build it with another value")
        if config[self.axis] == self.value:
            raise CannotChange(f"its {self.axis} is {as_text(self.value)} already")
        return prepare(file, config.replacing(**{self.axis: self.value}))

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        return changed(config, **{self.axis: self.value})


def of_the_example(config: TrialConfig) -> list[Remedy]:
    """What the page of the minimal example names as its remedies, as values of the example's axes."""
    wanted: list[tuple[str, AxisValue]] = [
        ("batch_norm", "input"),
        ("activation", "selu"),
        ("max_norm", 0.5),
        ("recurrent_dropout", 0.0),
        ("label_balance", 0.5),
        ("timesteps", max(1, config.timesteps // 4)),
    ]
    values = config.values()
    return [OtherValue(axis, value) for axis, value in wanted if values[axis] != value]


def changed(config: TrialConfig, **values: AxisValue) -> Mapping[str, AxisValue]:
    """These values, where the trial has not got them already.

    Raises:
        CannotChange: It has.
    """
    known = config.values()
    if all(known[axis] == value for axis, value in values.items()):
        told = " and ".join(f"its {axis} is {as_text(value)}" for axis, value in values.items())
        raise CannotChange(f"{told} already")
    return values
