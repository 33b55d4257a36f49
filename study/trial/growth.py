"""The growth that leads to a NaN: what is taken of every update, and at which updates a result keeps it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIGURES: dict[str, str] = {
    "max_hidden": "largest |h| at the last timestep, over the batch, the units and the cells",
    "max_cell": "largest |c| at the last timestep",
    "hidden_growth": "growth rate of the largest |h| per timestep: the slope of its logarithm; of the fastest cell",
    "cell_growth": "the same of the largest |c|",
    "gradient_norm": "norm of all gradients together, before clipping",
    "weight_norm": "norm of all trained weights together, after the update",
    "weight_distance": "distance of all trained weights from where the trial began, after the update",
}
"""Name -> meaning, in the order of the engine's output."""

STATE_FIGURES: dict[str, tuple[str, str]] = {
    "hidden_state": ("max_hidden", "hidden_growth"),
    "cell_state": ("max_cell", "cell_growth"),
}
"""State of a recurrent cell -> the figures of its size and of its growth; a cell without the state has neither."""

OF_OUTPUT = "max_output/"
"""Before the path of a layer of a user's model: the largest magnitude of what it gives."""

EVENLY, LAST = 16, 4


def kept_updates(updates: int) -> list[int]:
    """1-based numbers of the updates whose figures are kept: about 16 evenly spaced ones, and the last 4.

    All of them would cost more to store than the trial's every other number.
    """
    every = -(-updates // EVENLY)
    return [number for number in range(1, updates + 1) if (number - 1) % every == 0 or number > updates - LAST]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Figures of the kept updates, to 6 significant digits; None where one was not finite."""

    updates: tuple[int, ...]
    """1-based numbers."""
    figures: Mapping[str, tuple[float | None, ...]]
    """Each of `FIGURES` that the trial has, one a kept update; of a user's model also those by layer."""

    @classmethod
    def of(cls, rows: Sequence[Iterable[float]], *, names: Sequence[str] = tuple(FIGURES)) -> Growth:
        """Of all updates' rows.

        Args:
            rows: The loss and the figures.
            names: Of the figures, in the rows' order.
        """
        updates = kept_updates(len(rows))
        kept = [[_rounded(value) for value in rows[number - 1]][1:] for number in updates]
        return cls(updates=tuple(updates), figures=dict(zip(names, zip(*kept, strict=True), strict=True)))

    def as_dict(self) -> dict[str, Any]:
        return {"updates": list(self.updates), **{name: list(values) for name, values in self.figures.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Growth:
        figures = {name: tuple(of) for name, of in values.items() if name != "updates"}
        return cls(updates=tuple(values["updates"]), figures=figures)

    def last(self) -> dict[str, float | None]:
        """Of every figure the last finite value."""
        finite = {name: [value for value in values if value is not None] for name, values in self.figures.items()}
        return {name: values[-1] if values else None for name, values in finite.items()}


def outputs_of(growth: Growth) -> dict[str, str]:
    """Figures of layers' outputs: name -> path of the layer."""
    return {name: name.removeprefix(OF_OUTPUT) for name in growth.figures if name.startswith(OF_OUTPUT)}


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
