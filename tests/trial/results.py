"""Results of trials that never ran."""

from __future__ import annotations

import math
from typing import Any

from study.trial.config import TrialConfig
from study.trial.growth import Growth
from study.trial.onset import Onset
from study.trial.result import TrialResult
from study.trial.timeline import timeline
from study.trial.words import EVENTS

LOSSES = (0.7, 0.6, 11.0, 0.5, 0.6, 0.7, 0.8, math.nan)


def onset(**fields: Any) -> Onset:
    values = {
        "update": 8,
        "phase": "forward",
        "layer": "lstm_1",
        "direction": "forward",
        "tensor": "cell_state",
        "timestep": 611,
        "sample": 3,
        "unit": 40,
        "index": (611, 3, 40),
        "value": "inf",
        "operands": {},
        **fields,
    }
    return Onset.from_dict(values)


def result(*, first: dict[str, int] | None = None, loss: tuple[float, ...] = LOSSES, **fields: Any) -> TrialResult:
    first = first if first is not None else {"cell_state": 8, "hidden_state": 8, "loss": 8, "weight": 8}
    rows = [[value, 1.0, 2.0, 0.01, math.log(1.14), 3.0, 4.0, 5.0] for value in loss]
    axes = {"updates": len(loss), **fields.pop("axes", {})}
    return TrialResult(
        **{
            "config": TrialConfig(**axes),
            "loss": loss,
            "engine": "compiled",
            "device": "CPU",
            "seconds": 1.0,
            "timeline": timeline({event: first.get(event, 0) for event in EVENTS}, loss),
            "onset": onset(),
            "growth": Growth.of(rows),
            **fields,
        }
    )
