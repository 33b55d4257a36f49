"""Engines: what turns configurations into results. Importing this package does not import TensorFlow.

Read `draws` (what a trial is fed), `keras_2_2_4` (the older arithmetic) and `reference` (a trial on Keras's own layers)
in that order; then `cells` and `compiled` (the trial as one program); then `onset` (what looks into an update); and
`agreement`, which holds the one engine against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from study.engine.memory import telling_of_memory
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.errors import UserError
from study.trial.result import TrialResult

ENGINES: dict[str, str] = {"compiled": "study.engine.compiled.engine", "reference": "study.engine.reference.engine"}
"""Name of an engine -> the module whose `run(configs)` it is, imported when it is first asked for."""

DEFAULT_ENGINE = "compiled"


SIDE_BY_SIDE = ("compiled",)
"""Engines that can train several trials of one structure in one program."""

GPU_POPULATION = 32
"""Trials that a program trains side by side on a GPU, where the memory allows it: 22 to 48 times as many updates a
second as one at a time (benchmarks/gpu.md)."""


def check_population(engine: str, population: int | None) -> None:
    """Refuse a population to an engine that trains one trial at a time.

    Raises:
        UserError: The engine is not in `SIDE_BY_SIDE` and the population more than one.
    """
    if population not in (None, 1) and engine not in SIDE_BY_SIDE:
        raise UserError(f"population={population}: the {engine} engine trains one trial at a time")


OnUpdate = Callable[[int, int, float], None]
"""Is told the place of a config, the number of an update and its loss; what it raises ends the training."""


def run(
    configs: Sequence[TrialConfig],
    *,
    engine: str = DEFAULT_ENGINE,
    population: int | None = None,
    divergence: Divergence = NONFINITE,
    on_update: OnUpdate | None = None,
) -> list[TrialResult]:
    """Train every configuration and return the results in the same order.

    Args:
        configs: The trials.
        engine: A name in `ENGINES`.
        population: Number of trials of one structure that a program trains side by side, see `training`; None chooses
            by the device. Whatever else is trained, a trial's numbers are the same for the same population.
        divergence: The event that ends a trial before its budget.
        on_update: Is told of every update, about once a second; it changes no number.

    Raises:
        UserError: There is no engine of that name, or it trains one trial at a time.
        OutOfMemory: A trial needs more than there is.
        RuntimeError: TensorFlow already runs in this process with other settings; see `runtime`.
    """
    if engine not in ENGINES:
        raise UserError(f"engine={engine} is not known; engine takes {' or '.join(ENGINES)}")
    check_population(engine, population)
    how = {"population": population} if engine in SIDE_BY_SIDE else {}
    with telling_of_memory():
        results: list[TrialResult] = import_module(ENGINES[engine]).run(
            configs, divergence=divergence, on_update=on_update, **how
        )
    return results
