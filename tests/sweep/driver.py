"""A sweep of made-up trials in a process of its own, for tests that end such a process.

    python tests/sweep/driver.py SPACE TRIALS NAME [MODE]

MODE is one of `tests.sweep.made_up`, or `slow`: trials last two seconds. Exit status as of `study sweep`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial


def made_up(
    configs: Sequence[str], engine: str, population: int | None, divergence: str, *, mode: str, folder: str
) -> list[str]:
    """Trials that last a moment."""
    from tests.sweep.made_up import made_up

    time.sleep(2 if mode == "slow" else 0.1)
    return made_up(configs, engine, population, divergence, mode=mode, folder=folder)


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
        try:
            report = run_sweep(
                check_trials(load(space, folders=space_folders()), int(trials)),
                SweepOptions(name=name),
                home=home,
                console=Console(),
                stop=stop,
                workers=lambda at_most: DaskWorkers(count=2, train=train),
            )
        except KeyboardInterrupt:
            return 130
        except UserError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 2
        return 130 if report.interrupted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
