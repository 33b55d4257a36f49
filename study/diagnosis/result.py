"""`Diagnosis`: what a diagnosis came to, as values and as strict JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.models.onset import ModelOnset

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training with a remedy, or of the unchanged model.

    Attributes:
        loss: Of every update.
        diverged: Whether it went to NaN.
        refused: Why the remedy cannot be made to this model; None where it was run.
        seconds: That it took.
    """

    loss: tuple[float, ...]
    diverged: bool
    refused: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A remedy and what came of it.

    Attributes:
        id: Of the remedy.
        change: What to write.
        size: How much it changes, see `Remedy`.
        runs: One a seed, as far as they have ended; empty where it could only be named.
        why: Why it was not run, or not with every seed.
        budget: Updates that a survivor ran.
        beside: What else is to be known of it where it holds; empty where there is nothing.
    """

    id: str
    change: str
    size: int
    runs: tuple[Run, ...]
    why: str | None
    budget: int
    beside: str = ""

    @property
    def survived(self) -> int:
        return sum(not run.diverged for run in self.runs)

    @property
    def holds(self) -> bool:
        """Whether it was run with every seed and none went to NaN."""
        return bool(self.runs) and self.why is None and self.survived == len(self.runs)

    @property
    def loss_before(self) -> float | None:
        """Median over the seeds of the first update's loss, with the remedy in place."""
        return _median([run.loss[0] for run in self.runs if run.loss])

    @property
    def loss_after(self) -> float | None:
        """Median over the survivors of the mean loss of the last tenth of the updates."""
        ends = [run.loss[-max(1, len(run.loss) // 10) :] for run in self.runs if not run.diverged and run.loss]
        return _median([sum(end) / len(end) for end in ends])

    @property
    def learns(self) -> bool:
        """Whether the loss at the end is lower than at the start, by a twentieth or more."""
        before, after = self.loss_before, self.loss_after
        return before is not None and after is not None and after < before - 0.05 * abs(before)

    @property
    def note(self) -> str | None:
        """What is to be known of it beside the numbers."""
        if self.why is not None:
            return self.why
        idle = "survives without learning: its loss ends no lower than it began" if self._idle else ""
        return "; ".join(filter(None, (self.beside if self.holds else "", idle))) or None

    @property
    def _idle(self) -> bool:
        return bool(self.survived) and not self.learns

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Texts for a table: change, survivors, updates, loss from start to end, note."""
        known = self.loss_before is not None and self.loss_after is not None
        return (
            self.change,
            f"{self.survived} of {len(self.runs)}" if self.runs else "not run",
            str(self.budget) if self.runs else "",
            f"{self.loss_before:.4g} -> {self.loss_after:.4g}" if known else "",
            self.note or "",
        )

    def as_dict(self) -> dict[str, Any]:
        """As the JSON has it."""
        values = {
            "id": self.id,
            "change": self.change,
            "trials": len(self.runs),
            "survived": self.survived,
            "updates": self.budget,
            "loss_before": self.loss_before,
            "loss_after": self.loss_after,
            "run": bool(self.runs),
        }
        if self.why is not None:
            values["why"] = self.why
        elif self.note is not None:
            values["note"] = self.note
        return values


@dataclass(frozen=True, kw_only=True)
class Concluded:
    """A cause that a diagnosis concludes, with its evidence."""

    id: str
    weight: float
    sentence: str
    evidence: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As the JSON has it."""
        return {"id": self.id, "sentence": self.sentence, "evidence": list(self.evidence)}


@dataclass(frozen=True, kw_only=True, repr=False)
class Diagnosis:
    """The answer.

    Attributes:
        diverged: Whether the event that ends a training happens to the unchanged model.
        loss: Of the unchanged model, by update.
        onset: The first number that was not finite.
        cause: The likeliest; None where nothing goes wrong.
        also: Other causes, less likely.
        remedies: Best first.
        healthy: What was measured where nothing goes wrong, in a sentence.
    """

    diverged: bool
    loss: tuple[float, ...]
    onset: ModelOnset | None
    cause: Concluded | None
    also: Sequence[Concluded]
    remedies: Sequence[Tried]
    healthy: str | None = None

    @property
    def time_to_nan(self) -> int | None:
        """Number of the first update whose loss was the event; None where none was."""
        return len(self.loss) if self.diverged else None

    @property
    def answer(self) -> str:
        """The cause and what to change, in a sentence or two."""
        if self.cause is None:
            return self.healthy or ""
        best = self.remedies[0] if self.remedies else None
        if best is None:
            helps = ""
        elif best.holds:
            helps = f" What to change: {best.change}. All {len(best.runs)} seeds then stayed finite."
        elif any(one.runs for one in self.remedies):
            helps = f" What may help: {best.change}. No change that was run held with every seed."
        else:
            helps = f" What to write: {best.change}."
        return self.cause.sentence + helps

    @property
    def table(self) -> pandas.DataFrame:
        """A row a remedy, best first."""
        import pandas

        return pandas.DataFrame([one.as_dict() | {"note": one.note} for one in self.remedies])

    def __repr__(self) -> str:
        return f"<Diagnosis {'healthy' if self.cause is None else self.cause.id}: {self.answer}>"

    def __str__(self) -> str:
        if self.cause is None:
            return self.answer
        facts = [f"  - {fact}" for fact in self.cause.evidence]
        others = [f"Less likely: {other.sentence} ({other.id})" for other in self.also]
        rows = [("change", "survived", "updates", "loss", ""), *(one.cells for one in self.remedies)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"{self.cause.sentence} ({self.cause.id})", *facts, *others, "", *table])

    def as_dict(self) -> dict[str, Any]:
        """As the JSON has it."""
        return {
            "outcome": "diverged" if self.diverged else "survived",
            "time_to_nan": self.time_to_nan,
            "onset": self.onset and self.onset.as_dict(),
            "cause": self.cause and self.cause.as_dict(),
            "also": [cause.as_dict() for cause in self.also],
            "remedies": [tried.as_dict() for tried in self.remedies],
            **({"healthy": self.healthy} if self.healthy else {}),
        }


def _median(values: Sequence[float]) -> float | None:
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return None
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
