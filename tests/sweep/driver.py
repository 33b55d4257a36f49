"""A sweep whose trials are made up, so that tests of the sweep itself need no training.

    python tests/sweep/driver.py SPACE TRIALS NAME [MODE]

MODE `plain`: trials last a moment and come to what a generator seeded by the trial says. `once`: trial 2 kills
its worker the first time. `always`: trial 2 kills every worker. `raises`: trial 2 raises. `slow`: trials last
two seconds. Exit status as of `study sweep`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path


def made_up(
    configs: Sequence[str], engine: str, population: int | None, divergence: str, *, mode: str, folder: str
) -> list[str]:
    """Trials one after another; `handed-out` of the folder says how many a worker was given together."""
    from study.engine.structure import Structure
    from study.trial.config import TrialConfig

    assert len({Structure.of(TrialConfig.model_validate_json(config)) for config in configs}) == 1
    with (Path(folder) / "handed-out").open("a") as file:
        file.write(f"{len(configs)} {population}\n")
    return [made_up_trial(config, engine, mode=mode, folder=folder) for config in configs]


def made_up_trial(config_json: str, engine: str, *, mode: str, folder: str) -> str:
    import random
    import time

    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult

    config = TrialConfig.model_validate_json(config_json)
    if config.seed == 2:
        mark = Path(folder) / "killed-once"
        if mode == "always" or (mode == "once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "raises":
            raise MemoryError("too large a model")
    draw = random.Random(config.seed)
    loss = [draw.lognormvariate(0, 5) for _ in range(config.updates)]
    if draw.random() < 0.5:
        loss = [*loss[: draw.randrange(config.updates)], draw.choice([float("nan"), float("inf")])]
    time.sleep(2 if mode == "slow" else 0.3 * draw.random())
    return TrialResult(config=config, loss=tuple(loss), engine=engine, device="CPU", seconds=0.2).to_json()


def main(space: str, trials: str, name: str, mode: str = "plain") -> int:
    from study.sweep.interrupt import stop_on_signals

    with stop_on_signals() as stop:
        from rich.console import Console

        from study.space.file import load
        from study.space.search_space import check_trials
        from study.sweep.loop import run_sweep
        from study.sweep.options import SweepOptions
        from study.sweep.workers.dask import DaskWorkers
        from study.trial.errors import UserError
        from study.trial.folders import space_folders
        from study.trial.home import Home

        home = Home.find()
        train = partial(made_up, mode=mode, folder=str(home.folder))
        options = SweepOptions(
            name=name,
            patience=float(os.environ.get("PATIENCE", "60")),
        )
        workers = partial(
            DaskWorkers,
            count=2,
            population=int(os.environ.get("POPULATION", "1")),
            scheduler=os.environ.get("SCHEDULER"),
            train=train,
        )
        try:
            parsed = check_trials(load(space, folders=space_folders()), int(trials))
            report = run_sweep(
                parsed, options, home=home, console=Console(), stop=stop, workers=lambda at_most: workers()
            )
        except KeyboardInterrupt:
            return 130
        except UserError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 2
        return 130 if report.interrupted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
