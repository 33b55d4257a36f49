"""`BoundaryOptions`: which boundary a sweep looks for, and when it is known well enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class BoundaryOptions:
    """What is looked for, and how.

    Attributes:
        level: The probability of NaN within the budget whose contour is sought.
        points: Trials of a Sobol sequence to begin with.
        exploration: Exponent of a trial's cost: at 1 what it tells is weighed against its updates, at 0 not.
        width: Stop when the share of the space on whose side of the contour the model is not sure at 95% is smaller;
            None stops when the trials are spent.
    """

    level: float = 0.5
    points: int = 16
    exploration: float = 1.0
    width: float | None = None

    def as_entry(self) -> dict[str, Any]:
        """As a search space file says it; what is not given has its default."""
        default = BoundaryOptions()
        given = {"points": self.points, "exploration": self.exploration, "width": self.width}
        return {"boundary": self.level} | {key: value for key, value in given.items() if value != getattr(default, key)}
