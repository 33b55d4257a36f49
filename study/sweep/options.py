"""`SweepOptions`: how a sweep is run."""

from __future__ import annotations

from dataclasses import dataclass

from study.engine import DEFAULT_ENGINE


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """How a sweep is run; what it is about is in its search space."""

    name: str
    """Name of the Optuna study and of the MLflow experiment."""
    seed: int = 0
    """Seed of the sampler, and of the trials' own seeds."""
    engine: str = DEFAULT_ENGINE
    workers: int | None = None
    """Number of processes; None takes one a GPU or one a core."""
    population: int | None = None
    """Trials of one structure that a process trains side by side; None as in `study.sweep.workers.dask`."""
    scheduler: str | None = None
    """Address of a Dask scheduler."""
    retry_failed: bool = False
    """Whether trials that failed are tried again."""
    patience: float = 600
    """Seconds to wait for a store that went away."""
    command: str = ""
    """The command line, for the record."""
