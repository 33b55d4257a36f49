"""What ends a trial before its budget: the event that a study calls divergence.

To add one, subclass `Divergence` and put it into `DIVERGENCES`; `tests/trial/test_divergence.py` then holds it to what
training, journal and pages rely on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Words:
    """An event in sentences and figures."""

    noun: str
    """`NaN`, as in `P(NaN)` and `NaN at update 8`."""
    reached: str
    """`NaN`, as in `steps to NaN`."""
    time: str
    """What the column `time_to_nan` holds: `time-to-NaN`."""
    go: str
    """What trials do with which it happens: `go to NaN`."""
    went: str
    """What they did: `went to NaN`."""
    still: str
    """What a loss is before it: `finite`."""
    rule: str
    """Which losses it is, after `the first update whose loss is`: `not finite`."""


class Divergence(ABC):
    """An event that a single loss tells of; the first such loss ends its trial.

    A loss that is not finite is such an event always. A subclass says between which finite losses a trial goes on, and
    what people call the event. It gives these bounds, and not a test of its own, because a compiled training loop takes
    two numbers as inputs where it would have to be compiled again for every other test.

    Frozen and hashable. Its text (`str`) is what journals, MLflow, tables and `--divergence` have.
    """

    key: ClassVar[str]
    """Its name: `nonfinite`."""
    takes_a_number: ClassVar[bool] = False
    """Whether it is written with a number, `loss_above=10`."""

    @classmethod
    @abstractmethod
    def made_of(cls, number: float | None) -> Self:
        """The event with its number, or without one where it takes none.

        Raises:
            ValueError: A number that it does not take.
        """

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest finite loss with which a trial goes on; infinite for no bound."""

    @property
    @abstractmethod
    def words(self) -> Words:
        """What people call it."""

    @abstractmethod
    def passed(self, loss: float) -> str:
        """What a finite loss did that is the event: `rose above 10 (to 12.3)`."""

    def happened(self, loss: float) -> bool:
        """Whether a loss is the event."""
        lowest, highest = self.bounds
        return not (math.isfinite(loss) and lowest <= loss <= highest)

    @property
    def stayed(self) -> str:
        """What the losses of a trial did with which it never happened: `stayed finite`."""
        return f"stayed {self.words.still}"

    def became(self, loss: float) -> str:
        """What a loss did that is the event: `became NaN`."""
        if math.isfinite(loss):
            return self.passed(loss)
        return "became NaN" if math.isnan(loss) else "became infinite"


@dataclass(frozen=True)
class NonFinite(Divergence):
    """The first loss that is NaN or infinite."""

    key: ClassVar[str] = "nonfinite"
    bounds = (-math.inf, math.inf)
    words = Words(
        noun="NaN",
        reached="NaN",
        time="time-to-NaN",
        go="go to NaN",
        went="went to NaN",
        still="finite",
        rule="not finite",
    )

    @classmethod
    def made_of(cls, number: float | None) -> Self:
        return cls()

    def passed(self, loss: float) -> str:
        raise AssertionError(f"a finite loss, {loss}, is not the event")

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True)
class LossAbove(Divergence):
    """The first loss that is above a threshold, or not finite."""

    threshold: float
    key: ClassVar[str] = "loss_above"
    takes_a_number: ClassVar[bool] = True

    @classmethod
    def made_of(cls, number: float | None) -> Self:
        if number is None or not math.isfinite(number):
            raise ValueError(f"{number} is no threshold")
        return cls(float(number))

    @property
    def bounds(self) -> tuple[float, float]:
        return -math.inf, self.threshold

    @property
    def words(self) -> Words:
        event = f"loss above {self._shown}"
        return Words(
            noun=event,
            reached=f"a {event}",
            time=f"time to a {event}",
            go=f"have a {event}",
            went=f"had a {event}",
            still=f"at or below {self._shown}",
            rule=f"above {self._shown} or not finite",
        )

    def passed(self, loss: float) -> str:
        return f"rose above {self._shown} (to {loss:.4g})"

    @property
    def _shown(self) -> str:
        return str(self.threshold).removesuffix(".0")

    def __str__(self) -> str:
        return f"{self.key}={self._shown}"


DIVERGENCES: dict[str, type[Divergence]] = {kind.key: kind for kind in (NonFinite, LossAbove)}

NONFINITE = NonFinite()
"""What a study takes unless it says otherwise."""

TAKES = " or ".join(f"{key}=NUMBER" if kind.takes_a_number else key for key, kind in DIVERGENCES.items())
"""What is allowed on a command line, in words."""
TAKES_IN_A_FILE = " or ".join(f"{{{key}: NUMBER}}" if kind.takes_a_number else key for key, kind in DIVERGENCES.items())


def divergence_of(given: object) -> Divergence:
    """The event that a text (`nonfinite`, `loss_above=10`) or a file's value (`{loss_above: 10}`) names.

    Raises:
        ValueError: There is none; `TAKES` says what is allowed.
    """
    key, number = _parts(given)
    kind = DIVERGENCES.get(key)
    if kind is None or kind.takes_a_number != (number is not None):
        raise ValueError(given)
    return kind.made_of(number)


def _parts(given: object) -> tuple[str, float | None]:
    """The name of an event and its number."""
    if isinstance(given, str):
        key, separator, number = given.partition("=")
        return key.strip(), float(number) if separator else None
    if isinstance(given, Mapping) and len(given) == 1:
        key, value = next(iter(given.items()))
        if isinstance(key, str) and isinstance(value, str | int | float) and not isinstance(value, bool):
            return key, float(value)
    raise ValueError(given)


def in_a_file(divergence: Divergence) -> str | dict[str, float]:
    """The event as a search space file has it."""
    key, _, number = str(divergence).partition("=")
    return {key: float(number)} if number else key
