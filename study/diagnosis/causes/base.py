"""`Cause`: one reason why a training goes to NaN, and when a case has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from study.diagnosis.case import HUGE, Case
from study.diagnosis.remedies.base import Remedy


@dataclass(frozen=True, kw_only=True)
class Finding:
    """That a case may have a cause.

    Attributes:
        weight: How much speaks for it, between 0 and 1: above 0.9 where an intervention or the place of the number
            decides it, about 0.5 where nothing contradicts it.
        sentence: The cause, in one sentence.
        evidence: Measured facts, a clause each: what was done and what came.
        remedies: What may hold against it, the likeliest first.
        decides: Whether the first remedy, trained from the start by every seed, decides it: what it puts right is out
            of the ordinary, and nothing else is changed.
    """

    weight: float
    sentence: str
    evidence: tuple[str, ...]
    remedies: Sequence[Remedy]
    decides: bool = False


class Cause(ABC):
    """Concludes from what was measured. To add one: a file with a subclass, named in `study.diagnosis.causes`.

    Attributes:
        id: As the JSON and the tables name it.
        means: What it means, in a clause.
    """

    id: ClassVar[str]
    means: ClassVar[str]

    @abstractmethod
    def examine(self, case: Case) -> Finding | None:
        """What speaks for this cause in a case; None where nothing does."""


def operands(case: Case) -> dict[str, float]:
    """What the first number that is not finite was made of."""
    return {} if case.onset is None else dict(case.onset.operands)


def made_of_tame_numbers(case: Case) -> bool:
    """Whether it was made of none that was huge: then the operation itself has no value there."""
    given = operands(case).values()
    return all(not abs(value) > HUGE or value in (float("inf"), float("-inf")) for value in given)


def overflowed(case: Case) -> bool:
    """Whether it was made of numbers that were on their way to an overflow themselves."""
    return any(HUGE < abs(value) < float("inf") for value in operands(case).values())


def place(case: Case) -> str:
    """Where the first number was, in words: the line of the user's file, or the layer."""
    assert case.onset is not None
    where = case.onset.source or (f"layer {case.onset.layer}" if case.onset.layer else f"the {case.onset.phase} phase")
    return str(where)


def shown(values: dict[str, float]) -> str:
    """Operands in words."""
    return " and ".join(f"{name} = {value:.4g}" for name, value in values.items())


def operation(case: Case) -> str:
    """The operation that made the first number: `log`, `sqrt`, `truediv`; of a gradient, that of the way forward."""
    assert case.onset is not None
    # tf.nn.softmax is called softmax_v2 where it is defined.
    return str(case.onset.tensor).removeprefix("gradient of ").rpartition("/")[2].split(":")[0].removesuffix("_v2")
