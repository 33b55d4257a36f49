"""What a trial costs: the engines against the loop a user would write, side by side in one call.

    python benchmarks/bench.py [--trials 200] [--population 1 8 32] [--out benchmarks/results.md]

Every measurement runs in a process of its own, so that each side has the threads it would have: the user's loop
those that TensorFlow takes by default, an engine one a process. Times that are compared are taken one right after
the other; on a shared machine the ratios hold better than the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.config import TrialConfig
from study.environment import available_cores, machine, versions
from study.home import Home, space_folders
from study.space_file import load
from study.workers import visible_gpus


@dataclass(frozen=True, kw_only=True)
class Case:
    """A size to measure at."""

    name: str
    config: TrialConfig
    updates: int
    """Updates timed, after one that is not."""


# A learning rate at which nothing diverges: all updates of all sides do the same work.
CASES = (
    Case(name="the MRE, 512 units", config=TrialConfig(learning_rate=1e-7), updates=3),
    Case(name="64 units", config=TrialConfig(units=64, learning_rate=1e-7), updates=20),
    Case(name="16 units", config=TrialConfig(units=16, learning_rate=1e-7), updates=40),
)


def gigaflop(config: TrialConfig) -> float:
    """Floating-point operations of the LSTM's matrix products in one update, in units of 1e9.

    Forward, and twice that backward: 3 x 2 x batch x timesteps x 4 units x (features + units), for one layer.
    """
    per_update = 6 * config.batch_size * config.timesteps * 4 * config.units * (config.features + config.units)
    return per_update / 1e9


# --- the sides, each in a process of its own ------------------------------------------------------------------------


def populations(case: Case, *, gpus: bool) -> tuple[int, ...]:
    """How many trials to train side by side in one program."""
    if gpus:
        return (1, 8, 32, 128)
    return (1, 4) if case.config.units <= 16 else (1,)


def engine_side(engine: str, case: Case, population: int = 1) -> dict[str, float]:
    """Seconds per update of an engine, and what its first trials of a structure cost above that."""
    from study.engine import run

    def seconds(updates: int) -> float:
        configs = [case.config.model_copy(update={"updates": updates, "seed": seed}) for seed in range(population)]
        began = time.perf_counter()
        run(configs, engine=engine, population=population)
        return time.perf_counter() - began

    first = seconds(1)
    short, long = seconds(1), seconds(1 + case.updates)
    per_update = (long - short) / (case.updates * population)
    return {"seconds": per_update, "compile": first - short}


def loop_side(case: Case) -> dict[str, float]:
    """Seconds per update of Keras's `train_on_batch` with an Optuna trial and an MLflow metric by update."""
    import keras
    import mlflow
    import numpy as np
    import optuna

    config = case.config
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.RandomSampler(seed=0)
        )
        marks: list[float] = []

        def objective(trial: optuna.Trial) -> float:
            trial.suggest_float("learning_rate", 1e-7, 2e-7)
            inputs = keras.Input(batch_shape=(config.batch_size, config.timesteps, config.features))
            norm = keras.constraints.MaxNorm(config.max_norm, axis=0)
            hidden = keras.layers.LSTM(
                config.units,
                activation=config.activation,
                recurrent_dropout=config.recurrent_dropout,
                kernel_constraint=norm,
                recurrent_constraint=norm,
            )(inputs)
            model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
            optimizer = keras.optimizers.Nadam(learning_rate=config.learning_rate, clipnorm=config.clipnorm)
            model.compile(optimizer=optimizer, loss="binary_crossentropy")
            draw = np.random.default_rng(0)
            with mlflow.start_run():
                for update in range(case.updates + 1):
                    batch = draw.standard_normal((config.batch_size, config.timesteps, config.features))
                    labels = draw.permutation(np.repeat([1, 0], [5, config.batch_size - 5]))
                    loss = model.train_on_batch(batch, labels)
                    mlflow.log_metric("loss", float(loss), step=update)
                    marks.append(time.perf_counter())
            return float(loss)

        began = time.perf_counter()
        study.optimize(objective, n_trials=1)
    per_update = (marks[-1] - marks[0]) / case.updates
    return {"seconds": per_update, "compile": marks[0] - began - per_update}


def product_side(case: Case) -> dict[str, float]:
    """The machine's matrix product at the shape of a recurrent step, GF/s: (batch, units) by (units, 4 units)."""
    import numpy as np

    batch, units = case.config.batch_size, case.config.units
    left = np.ones((batch, units), np.float32)
    right = np.ones((units, 4 * units), np.float32)
    out = np.empty((batch, 4 * units), np.float32)
    times = max(1, int(2e10 / (8 * batch * units * units)))
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            np.matmul(left, right, out=out)
        best = max(best, times * 8 * batch * units * units / (time.perf_counter() - began) / 1e9)
    return {"rate": best}


SIDES: dict[str, Callable[[Case, int], dict[str, float]]] = {
    "loop": lambda case, _: loop_side(case),
    "reference": lambda case, _: engine_side("reference", case),
    "compiled": lambda case, population: engine_side("compiled", case, population),
    "product": lambda case, _: product_side(case),
}


# --- putting the sides next to each other ---------------------------------------------------------------------------


def measure(
    side: str, case: Case, *, processes: int = 1, threads: int | None = None, population: int = 1
) -> list[dict[str, float]]:
    """Run a side in so many processes at the same time."""
    environment = dict(os.environ)
    if threads:
        environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, __file__, "--side", side, "--case", case.name, "--population", str(population)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    answers = []
    for process in started:
        output, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{side} at {case.name}: {errors[-2000:]}")
        answers.append(json.loads(output.splitlines()[-1]))
    return answers


def size_rows(case: Case, sizes: Sequence[int]) -> list[str]:
    cores = available_cores()
    loop = measure("loop", case)[0]
    product_one = measure("product", case, threads=1)[0]["rate"]
    product_all = sum(answer["rate"] for answer in measure("product", case, processes=cores, threads=1))
    rows = [row(case, "user's loop", [loop], loop["seconds"], product_all)]
    for engine in ("reference", "compiled"):
        rows.append(row(case, engine, measure(engine, case), loop["seconds"], product_one))
        together = measure(engine, case, processes=cores)
        rows.append(row(case, f"{engine}, {cores} processes", together, loop["seconds"], product_all))
    for population in sizes:
        if population == 1:
            continue
        try:
            answers = measure("compiled", case, population=population)
        except RuntimeError as error:
            # More than fits a device's memory, at the sizes that are asked for on GPUs.
            print(str(error)[-500:], file=sys.stderr)
            rows.append(f"| {case.name} | compiled | {population} | does not run | | | | |")
        else:
            rows.append(row(case, "compiled", answers, loop["seconds"], product_one, population))
    return rows


def row(
    case: Case, side: str, answers: list[dict[str, float]], loop_seconds: float, product: float, population: int = 1
) -> str:
    rate = sum(1 / answer["seconds"] for answer in answers)
    speed = rate * gigaflop(case.config)
    first = max(answer["compile"] for answer in answers)
    return (
        f"| {case.name} | {side} | {population} | {rate:.2f} | {speed:.0f} | {rate * loop_seconds:.1f} "
        f"| {speed / product:.0%} | {first:.1f} |"
    )


def sweep_overhead(trials: int) -> list[str]:
    """A sweep of the card space, and how much of its wall time the writing process spends in each package."""
    from rich.console import Console

    from study import ledger, sweep, tracking
    from study.space import check_trials

    spent: dict[str, float] = {"Optuna": 0.0, "MLflow": 0.0}

    def timed(owner: Any, method: str, package: str) -> None:
        original = getattr(owner, method)

        def wrapper(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                spent[package] += time.perf_counter() - began

        setattr(owner, method, wrapper)

    for method in ("ask", "journal", "tell"):
        timed(ledger.Ledger, method, "Optuna")
    timed(tracking.Tracker, "log_trial", "MLflow")
    space = check_trials(load("card", folders=space_folders()), trials)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(
            folder=Path(folder),
            storage_url=f"sqlite:///{folder}/optuna.db",
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
        )
        began = time.perf_counter()
        report = sweep.run_sweep(space, sweep.SweepOptions(name="bench"), home=home, console=Console(stderr=True))
        wall = time.perf_counter() - began
    updates = int(report.table["updates"].sum())
    trained = float(report.table["wall_seconds"].sum())
    rows = [
        f"A sweep of `card`, {trials} trials, {updates} updates: {wall:.0f} s of wall time, everything included; "
        f"the workers trained for {trained / wall / available_cores():.0%} of it."
    ]
    return rows + [f"- {package}: {seconds:.1f} s, {seconds / wall:.1%}" for package, seconds in spent.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--population", type=int, nargs="+", help="trials side by side in a program, to measure")
    parser.add_argument("--trials", type=int, default=200, help="trials of the card sweep; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    if options.side:
        case = next(case for case in CASES if case.name == options.case)
        print(json.dumps(SIDES[options.side](case, options.population[0])))
        return
    lines = [
        "# Benchmark",
        "",
        f"{machine()}; {', '.join(f'{name} {number}' for name, number in versions().items())}.",
        "",
        "| size | side | population | updates/s | GF/s | times the user's loop | of the matrix product "
        "| first trial, s more |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    gpus = bool(visible_gpus())
    for case in CASES:
        rows = size_rows(case, options.population or populations(case, gpus=gpus))
        print("\n".join(rows), flush=True)
        lines += rows
    if options.trials:
        lines += ["", *sweep_overhead(options.trials)]
    lines += ["", "GPU figures are not measured yet."]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
