"""`Outcome`: what a trial with a result came to, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from study.trial.divergence import NONFINITE, Divergence

OUTCOMES = ("diverged", "survived", "failed")
"""What a trial can come to; one that failed has no result at all."""

LOSS_THRESHOLD = 10.0
"""A loss above it, though finite, is out of bounds: a cross-entropy of 10 gives the right label a probability of 1 in
22,000, where a model that knows nothing gives it 1 in 2."""


FAR = 100.0
"""How many times its first loss a model of unknown scale may reach before it has exploded."""


def far_above(first: float) -> float:
    """The threshold for a model whose loss has a scale of its own, by its first loss; never below `LOSS_THRESHOLD`."""
    return max(LOSS_THRESHOLD, FAR * abs(first)) if math.isfinite(first) else LOSS_THRESHOLD


def first_above(losses: Sequence[float], threshold: float = LOSS_THRESHOLD) -> int | None:
    """1-based number of the first update whose loss was finite and above a threshold."""
    return next((n for n, loss in enumerate(losses, start=1) if math.isfinite(loss) and loss > threshold), None)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether the event that ends a trial happened, and at which update; or that its budget ended first.

    A trial *diverges* at the first update whose loss is the event. One that runs to its budget *survives*: its time to
    the event is right-censored there. A survivor has *exploded* where a loss was finite and above a threshold that no
    training in its right mind passes: it diverged in every sense but the event's.
    """

    divergence: Divergence
    """The event."""
    updates: int
    """Updates run, the one of the event included."""
    diverged: bool
    exceeded: int | None
    """The first update whose loss was finite and above the threshold; None for never."""

    @classmethod
    def of(
        cls, losses: Sequence[float], *, divergence: Divergence = NONFINITE, threshold: float = LOSS_THRESHOLD
    ) -> Self:
        """The outcome of a trial that is over.

        Args:
            losses: Of update 1, 2, ...
            divergence: The event that ended it if it happened.
            threshold: The loss above which a survivor has exploded. The default is for cross-entropies; for a model
                with another loss see `far_above`.
        """
        return cls(
            divergence=divergence,
            updates=len(losses),
            diverged=divergence.happened(losses[-1]),
            exceeded=first_above(losses, threshold),
        )

    @property
    def name(self) -> Literal["diverged", "survived"]:
        """As in the column `outcome`."""
        return "diverged" if self.diverged else "survived"

    @property
    def time(self) -> int | None:
        """1-based number of the update of the event, `time_to_nan`; None where it is censored at `updates`."""
        return self.updates if self.diverged else None

    @property
    def exploded(self) -> bool:
        """Whether it survived with a loss that was above the threshold."""
        return not self.diverged and self.exceeded is not None

    @property
    def label(self) -> str:
        """In the name of a run: `NaN at 8`, `survived 60`, `survived 60, exploded`."""
        if self.diverged:
            return f"{self.divergence.words.noun} at {self.updates}"
        return f"survived {self.updates}{', exploded' if self.exploded else ''}"
