"""Trials that are made up, so that tests of the sweep itself need no training."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.result import TrialResult


def made_up(
    configs: Sequence[str],
    engine: str,
    population: int | None,
    divergence: str,
    *,
    mode: str = "plain",
    folder: str = "",
) -> list[str]:
    """What `study.sweep.workers.base.train` does, with trials that come to what a generator seeded by them says.

    Args:
        configs: Of the trials, as JSON.
        engine: Their engine.
        population: How many are trained side by side.
        divergence: The event that ends them.
        mode: `once`: seed 2 kills its process the first time. `always`: every time. `raises`: seed 2 raises.
        folder: Where `handed-out` gets a line for every task: the number of trials and the population.
    """
    parsed = [TrialConfig.model_validate_json(config) for config in configs]
    assert len({Structure.of(config) for config in parsed}) == 1
    if folder:
        with (Path(folder) / "handed-out").open("a") as file:
            file.write(f"{len(configs)} {population}\n")
    if 2 in [config.seed for config in parsed]:
        mark = Path(folder) / "killed-once"
        if mode == "always" or (mode == "once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "raises":
            raise MemoryError("too large a model")
    return [result_of(config, engine=engine).to_json() for config in parsed]


def result_of(config: TrialConfig, *, engine: str = "compiled") -> TrialResult:
    """What a made-up trial comes to: half of them diverge."""
    draw = random.Random(config.seed)
    loss = [draw.lognormvariate(0, 5) for _ in range(config.updates)]
    if draw.random() < 0.5:
        loss = [*loss[: draw.randrange(config.updates)], draw.choice([float("nan"), float("inf")])]
    return TrialResult(config=config, loss=tuple(loss), engine=engine, device="CPU", seconds=0.2)


def seeds_of(configs: Sequence[str]) -> list[int]:
    return [TrialConfig.model_validate_json(config).seed for config in configs]
