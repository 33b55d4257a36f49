"""What a trial is made of: `Configuration`, one point of a design, and `Design`, which makes them.

The example is one design (`study.trial.config.EXAMPLE`), a model of the user's own another. Space, sweep, tracking,
table and report know a trial by these two alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self

from study.trial.axes import Axes, AxisValue


class Configuration(Protocol):
    """One training run, described completely: frozen, hashable, picklable, and free of TensorFlow.

    Two that are equal have the same design and the same value of every axis.
    """

    @property
    def axes(self) -> Axes:
        """The axes of its design."""

    @property
    def seed(self) -> int: ...

    @property
    def updates(self) -> int:
        """The budget: the largest number of updates."""

    def values(self) -> dict[str, AxisValue]:
        """The value of every axis, in the axes' order."""

    def params(self) -> dict[str, str]:
        """Every axis as text, the way MLflow shows it and `Design.config` reads it back."""

    def replacing(self, **values: AxisValue) -> Self:
        """The same run with some axes at other values; they are not checked."""

    def as_json(self) -> dict[str, Any]:
        """The configuration as values of strict JSON; `Design.config` reads them back."""


class Design(ABC):
    """A set of axes, and how a configuration is made of their values."""

    combined: tuple[str, ...] = ()
    """Axes whose values are only valid in some combinations."""

    @property
    @abstractmethod
    def axes(self) -> Axes: ...

    @abstractmethod
    def config(self, values: Mapping[str, Any], *, where: str = "") -> Configuration:
        """The configuration with these values and else the defaults.

        Args:
            values: Axis names and their values, texts or typed, or what `Configuration.as_json` gave.
            where: What the values come from, named at the start of an error message.

        Raises:
            UserError: An unknown axis, a value out of range, or a combination that cannot be.
        """

    def differences(self, config: Configuration) -> dict[str, AxisValue]:
        """The values that a configuration is told by: those that `config` would not fill in by itself."""
        defaults = self.axes.defaults
        return {name: value for name, value in config.values().items() if value != defaults[name]}
