"""What a trial is made of: `Configuration`, one point of a design, and `Design`, which makes them.

The example is one design (`study.trial.config.EXAMPLE`), a model of the user's own another. Space, sweep, tracking,
table and report know a trial by these two alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self

from study.trial.axes import NOT_OF_A_MODEL, Axes, AxisValue, as_text


class Configuration(Protocol):
    """One training run, described completely: frozen, hashable, picklable, and free of TensorFlow.

    Two that are equal have the same design and the same value of every axis.
    """

    @property
    def design(self) -> Design:
        """What it is a point of."""

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
    def identity(self) -> dict[str, str]:
        """What a search space names it by, beside the axes; nothing names the example."""
        return {}

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

    def title(self, config: Configuration) -> str:
        """A few words that tell a configuration from others: what it has that is not a default."""
        told = {name: value for name, value in self.differences(config).items() if name not in NOT_OF_A_MODEL}
        return " ".join(f"{name}={_short(value)}" for name, value in told.items()) or "the defaults"

    def tags(self, config: Configuration) -> dict[str, str]:
        """What a trial is filed under, beside its axes."""
        return self.identity

    def differences(self, config: Configuration) -> dict[str, AxisValue]:
        """The values that a configuration is told by: those that `config` would not fill in by itself."""
        defaults = self.axes.defaults
        return {name: value for name, value in config.values().items() if value != defaults[name]}


def _short(value: AxisValue) -> str:
    return f"{value:.3g}" if isinstance(value, float) else as_text(value)
