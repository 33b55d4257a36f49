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

from study.space.file import load
from study.sweep.workers.gpus import visible_gpus
from study.trial.config import TrialConfig
from study.trial.environment import available_cores, machine, versions
from study.trial.folders import space_folders
from study.trial.home import Home
from study.trial.markdown import markdown_row, markdown_table


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
    # With relu, one of these in a few goes to NaN at its initial weights.
    Case(name="16 units", config=TrialConfig(units=16, activation="tanh", learning_rate=1e-7), updates=40),
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


def keras_model(config: TrialConfig) -> Any:
    """The model as a user of Keras writes it: layer after layer, compiled with Keras's defaults."""
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input(batch_shape=(config.batch_size, config.timesteps, config.features))])
    if config.front_end == "conv1d":
        model.add(layers.Conv1D(config.features, 3, padding="same"))
        if config.batch_norm == "before_activation":
            model.add(layers.BatchNormalization())
        model.add(layers.Activation(config.front_end_activation))
        model.add(layers.Dropout(config.dropout))
    for layer in range(1, config.layers + 1):
        if config.batch_norm == "input":
            model.add(layers.BatchNormalization())
        model.add(
            layers.LSTM(
                config.units,
                activation=config.activation,
                recurrent_dropout=config.recurrent_dropout,
                kernel_constraint=keras.constraints.MaxNorm(config.max_norm, axis=0),
                recurrent_constraint=keras.constraints.MaxNorm(config.max_norm, axis=0),
                return_sequences=layer < config.layers,
            )
        )
        if layer == config.layers and config.batch_norm == "output":
            model.add(layers.BatchNormalization())
        model.add(layers.Dropout(config.dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    optimizer = keras.optimizers.Nadam(learning_rate=config.learning_rate, clipnorm=config.clipnorm)
    model.compile(optimizer=optimizer, loss="binary_crossentropy")
    return model


def users_loop(configs: Sequence[TrialConfig]) -> list[list[float]]:
    """Keras's `train_on_batch` with an Optuna trial, and an MLflow metric by update, until the loss is not finite.

    Returns:
        For each trial the time at its start and after each of its updates.
    """
    import mlflow
    import numpy as np
    import optuna

    marks: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        study = optuna.create_study(
            storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.RandomSampler(seed=0)
        )

        def objective(trial: optuna.Trial) -> float:
            marks.append([time.perf_counter()])
            config = configs[trial.number]
            for axis in ("learning_rate", "recurrent_dropout", "dropout"):
                value = getattr(config, axis)
                trial.suggest_float(axis, value, value)
            model = keras_model(config)
            draw = np.random.default_rng(config.seed)
            ones = round(config.label_balance * config.batch_size)
            with mlflow.start_run():
                mlflow.log_params(config.params())
                for update in range(1, config.updates + 1):
                    batch = draw.standard_normal((config.batch_size, config.timesteps, config.features))
                    labels = draw.permutation(np.repeat([1, 0], [ones, config.batch_size - ones]))
                    loss = float(model.train_on_batch(batch, labels))
                    mlflow.log_metric("loss", loss, step=update)
                    marks[-1].append(time.perf_counter())
                    if not np.isfinite(loss):
                        break
            return float(update)

        study.optimize(objective, n_trials=len(configs))
    return marks


def loop_side(case: Case) -> dict[str, float]:
    """Seconds per update of the loop that a user would write, and what a trial costs above that."""
    marks = users_loop([case.config.model_copy(update={"updates": case.updates + 1})])[0]
    per_update = (marks[-1] - marks[1]) / case.updates
    return {"seconds": per_update, "compile": marks[1] - marks[0] - per_update}


def loop_over_card(trials: Sequence[int]) -> dict[str, float]:
    """Seconds of the user's loop over these trials of the card space, and its updates."""
    marks = users_loop([card_trial(number) for number in trials])
    return {"seconds": marks[-1][-1] - marks[0][0], "updates": float(sum(len(trial) - 1 for trial in marks))}


def card_trial(number: int) -> TrialConfig:
    """A trial of the card space, as a sweep with seed 0 runs it."""
    return space_trial("card", number)


def space_trial(name: str, number: int) -> TrialConfig:
    """A trial of a search space whose sampler goes by the trial's number, as a sweep with seed 0 runs it."""
    from study.space.samplers import build_sampler
    from study.space.samplers.numbered import NumberedSampler

    space = load(name, folders=space_folders())
    sampler = build_sampler(space, seed=0)
    assert isinstance(sampler, NumberedSampler)
    values = space.choose(lambda axis, distribution: sampler.value_of(number, axis, distribution))
    return space.config(values, seed=number)


def watching_over_card(trials: Sequence[int]) -> dict[str, float]:
    """Seconds of the compiled engine over these trials of the card space: as it is, with timeline, onset and growth,
    and with programs that tell of nothing but the loss; and those that compiling took, each."""
    from study.engine import run
    from study.engine.compiled import training
    from study.engine.compiled.settings import initial_weights
    from study.engine.structure import Structure

    def unwatched(config: TrialConfig) -> None:
        for _ in training.calls(config, program=programs[Structure.of(config)]):
            pass

    programs: dict[Structure, training.Program] = {}
    # What a process pays once, an onset's share included: at this learning rate the second update is not finite.
    run([TrialConfig(units=2, timesteps=4, learning_rate=1e30, updates=3)])
    sides: dict[str, Callable[[TrialConfig], Any]] = {"watched": lambda config: run([config]), "unwatched": unwatched}
    seconds = {f"{side}{what}": 0.0 for side in sides for what in ("", " compiling")}
    for number in trials:
        config = card_trial(number)
        structure = Structure.of(config)
        new = structure not in programs
        programs.setdefault(structure, training.Program(structure, watched=False))
        for side, train in sides.items():
            if new:
                # Tame, so that no onset is looked for.
                first = config.model_copy(update={"updates": 1, "activation": "tanh", "learning_rate": 1e-7})
                began = time.process_time()
                train(first)
                seconds[f"{side} compiling"] += time.process_time() - began
            initial_weights.cache_clear()  # each side draws its own
            began = time.process_time()
            train(config)
            seconds[side] += time.process_time() - began
    return seconds


OPENBLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

SQUARE = 2048
"""Rows and columns of the large square product."""


def product_side(case: Case) -> dict[str, float]:
    """The machine's matrix product in GF/s: at the shape of a recurrent step, (batch, units) by (units, 4 units), or of
    large square matrices, whichever is faster."""
    batch, units = case.config.batch_size, case.config.units
    recurrent, square = product_rate(batch, units, 4 * units), product_rate(SQUARE, SQUARE, SQUARE)
    return {"rate": max(recurrent, square), "recurrent": recurrent, "square": square}


def product_rate(rows: int, inner: int, columns: int) -> float:
    """NumPy's best of five rates of a (rows, inner) by (inner, columns) product in float32, GF/s."""
    import numpy as np

    left, right = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
    out = np.empty((rows, columns), np.float32)
    operations = 2 * rows * inner * columns
    times = max(1, int(2e10 / operations))
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            np.matmul(left, right, out=out)
        best = max(best, times * operations / (time.perf_counter() - began) / 1e9)
    return best


CARD_SAMPLE = 12
"""Trials of a card sweep that the user's loop is timed on: it takes seconds for one."""


def card_sample(trials: int, count: int) -> list[int]:
    """So many of the first trials of the card space, drawn at random: evenly spaced points of a Sobol sequence share
    their values of an axis."""
    import numpy as np

    drawn = np.random.default_rng(0).choice(trials, size=min(count, trials), replace=False)
    return sorted(int(number) for number in drawn)


SIDES: dict[str, Callable[[Case, int], dict[str, float]]] = {
    "loop": lambda case, _: loop_side(case),
    "reference": lambda case, _: engine_side("reference", case),
    "compiled": lambda case, population: engine_side("compiled", case, population),
    "product": lambda case, _: product_side(case),
    "loop over card": lambda _, trials: loop_over_card(card_sample(trials, CARD_SAMPLE)),
    "watching over card": lambda _, trials: watching_over_card(card_sample(trials, 3 * CARD_SAMPLE)),
}


COLUMNS = (
    *("size", "side", "population", "updates/s", "GF/s", "times the user's loop", "of the best matrix product"),
    "first trial, s more",
)


# --- putting the sides next to each other ---------------------------------------------------------------------------


def measure(
    side: str, case: Case, *, processes: int = 1, threads: int | None = None, population: int = 1
) -> list[dict[str, float]]:
    """Run a side in so many processes at the same time."""
    environment = os.environ | {"STUDY_PROGRAMS": "none"}  # compiling is measured too
    if side == "product":
        # Settings of older OpenBLAS builds, which can hold NumPy at half its rate.
        environment = {name: value for name, value in environment.items() if name not in OPENBLAS_SETTINGS}
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


def size_rows(case: Case, sizes: Sequence[int]) -> list[list[object]]:
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
            rows.append([case.name, "compiled", population, "does not run", "", "", "", ""])
        else:
            rows.append(row(case, "compiled", answers, loop["seconds"], product_one, population))
    return rows


def row(
    case: Case, side: str, answers: list[dict[str, float]], loop_seconds: float, product: float, population: int = 1
) -> list[object]:
    """The cells of a side under `COLUMNS`."""
    rate = sum(1 / answer["seconds"] for answer in answers)
    speed = rate * gigaflop(case.config)
    first = max(answer["compile"] for answer in answers)
    figures = (f"{rate:.2f}", f"{speed:.0f}", f"{rate * loop_seconds:.1f}", f"{speed / product:.0%}", f"{first:.1f}")
    return [case.name, side, population, *figures]


def sweep_lines(trials: int) -> list[str]:
    """A sweep of the card space: its wall time, what Optuna, MLflow and Dask take of it, and the user's loop beside."""
    from rich.console import Console

    from study.space.search_space import check_trials
    from study.sweep.ledger import Ledger
    from study.sweep.loop import run_sweep
    from study.sweep.options import SweepOptions
    from study.tracking import Tracker

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
        timed(Ledger, method, "Optuna")
    timed(Tracker, "log_trial", "MLflow")
    space = check_trials(load("card", folders=space_folders()), trials)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STUDY_PROGRAMS"] = f"{folder}/programs"  # none are there yet
        home = Home(
            folder=Path(folder),
            storage_url=f"sqlite:///{folder}/optuna.db",
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
        )
        began, own_before = time.perf_counter(), time.process_time()
        report = run_sweep(space, SweepOptions(name="bench"), home=home, console=Console(stderr=True))
        wall = time.perf_counter() - began
    updates = int(report.table["updates"].sum())
    trained = float(report.table["wall_seconds"].sum())
    cores = available_cores()
    own = time.process_time() - own_before
    sample = card_sample(trials, CARD_SAMPLE)
    in_sample = int(report.table.set_index("trial_number").loc[sample, "updates"].sum())
    loop = measure("loop over card", CASES[0], population=trials)[0]
    loop_wall = loop["seconds"] / len(sample) * trials
    watching = measure("watching over card", CASES[0], threads=1, population=trials)[0]
    return [
        f"A sweep of `card`, {trials} trials, {updates} updates: {wall:.0f} s of wall time, everything included; "
        f"its {cores} workers trained for {trained / wall / cores:.0%} of it.",
        "",
        f"- Optuna, MLflow and Dask: the process that runs them computed for {own:.1f} s, "
        f"{own / wall / cores:.1%} of the {cores} cores' time; while it also waited for the disk, "
        + " and ".join(f"{package} took {seconds:.1f} s ({seconds / wall:.1%})" for package, seconds in spent.items())
        + " beside the training.",
        f"- The user's loop took {loop['seconds']:.0f} s over {len(sample)} of these trials, drawn at random, "
        f"{loop['updates']:.0f} updates with its own draws against {in_sample} in the sweep; at that rate all {trials} "
        f"would take {loop_wall:.0f} s: {loop_wall / wall:.1f} times the sweep.",
        f"- Timeline, onset and growth: over {len(card_sample(trials, 3 * CARD_SAMPLE))} of these trials, drawn at "
        f"random, the engine computed for {watching['watched']:.1f} s with them and {watching['unwatched']:.1f} s "
        f"without ({watching['watched'] / watching['unwatched'] - 1:+.1%}). Compiling, the same for any number of "
        f"trials, took {watching['watched compiling']:.1f} s and {watching['unwatched compiling']:.1f} s.",
    ]


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
    ]
    rows: list[list[object]] = []
    gpus = bool(visible_gpus())
    for case in CASES:
        of_case = size_rows(case, options.population or populations(case, gpus=gpus))
        print(*map(markdown_row, of_case), sep="\n", flush=True)
        rows += of_case
    lines.append(markdown_table(COLUMNS, rows))
    if options.trials:
        lines += ["", *sweep_lines(options.trials)]
    lines += ["", "Figures of a GPU: [gpu.md](gpu.md)."]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
