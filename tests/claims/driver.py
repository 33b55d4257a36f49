"""A run of the claims whose trials are made up, so that tests of it need no training.

    python tests/claims/driver.py ONLY REPLICATES

Under relu the time to NaN is 640 / units and a few updates, the same whenever it is asked for; nothing else diverges.
Exit status as of `study claims`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def made_up(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    return [made_up_trial(config, engine) for config in configs]


def made_up_trial(config_json: str, engine: str) -> str:
    import random

    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult

    config = TrialConfig.model_validate_json(config_json)
    time = 640 // config.units + config.seed % 3
    loss = [random.Random(config.seed + update).random() for update in range(config.updates)]
    if config.activation == "relu":
        loss = [*loss[: time - 1], float("inf")]
    return TrialResult(config=config, loss=tuple(loss), engine=engine, device="CPU", seconds=0.2).to_json()


def main(only: str, replicates: str) -> int:
    from study.sweep.interrupt import stop_on_signals

    with stop_on_signals() as stop:
        from rich.console import Console

        from study.claims.file import find_claims, load_claims
        from study.claims.run import ClaimsRun
        from study.sweep.options import SweepOptions
        from study.sweep.workers.dask import DaskWorkers
        from study.trial.folders import space_folders
        from study.trial.home import Home

        run = ClaimsRun(
            claims=load_claims(find_claims(space_folders()), scale="small"),
            options=SweepOptions(name="claims"),
            semantics=["keras-3"],
            home=Home.find(),
            console=Console(width=160),
            stop=stop,
            workers=lambda at_most: DaskWorkers(count=2, train=made_up),
        )
        found = run.verdicts(only=only.split(","), replicates=int(replicates))
        return 130 if found is None else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
