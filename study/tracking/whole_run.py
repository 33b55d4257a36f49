"""`WholeRun`: what MLflow is told of a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Metric


@dataclass(frozen=True, kw_only=True)
class WholeRun:
    """All that MLflow is told of a run that has ended."""

    experiment_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[Metric]
    """No two alike."""
    start: int
    """Milliseconds since the epoch."""
    end: int
    status: str
    """`FINISHED` or `FAILED`."""
