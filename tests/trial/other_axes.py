"""A set of axes that has no name with the example's but those that every study has."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from study.trial.axes import BUDGET, SEED, Axes, Axis, Counted

OTHER = Axes(
    [
        Axis.annotated("pooling", Literal["mean", "max", "attention"], "mean", description="over the timesteps"),
        Axis.annotated("width", Annotated[int, Ge(1), Counted(logarithmic=True, unit="channels")], 32),
        Axis.annotated("rate", Annotated[float, Gt(0)], 1e-3, description="of the optimizer"),
        Axis.annotated("decay", Annotated[float, Ge(0), Lt(1)] | None, None, description="of the weights"),
        Axis.annotated("residual", bool, True),
        Axis.annotated("depth", int, 2),
        Axis.annotated("prefix", str, "block"),
        Axis.annotated(BUDGET, Annotated[int, Ge(1), Counted(unit="updates")], 100),
        Axis.annotated(SEED, Annotated[int, Ge(0)], 0),
    ]
)
