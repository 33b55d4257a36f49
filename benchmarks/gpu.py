"""What a GPU changes: whether trials repeat themselves there, agree with the CPU, and how fast they are.

    python benchmarks/gpu.py [--parts repeat fit speed trials] [--out benchmarks/gpu.md]

Every measurement runs in a process of its own, on the first GPU or, with the GPU hidden, on the CPU of the same
machine. Nothing that was compiled before is used. The file is written anew after every part, so that what was measured
is kept when a later part is interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from pathlib import Path
from typing import Any

from bench import CASES, gigaflop, keras_model, space_trial

from study.trial.config import TrialConfig
from study.trial.environment import machine, versions

GPU, CPU = "GPU", "CPU"

ROOT = Path(__file__).parents[1]

LIMIT = 240
"""Seconds that a measurement may take; what it had told until then is kept."""

REPEATED = tuple(
    TrialConfig(units=32, learning_rate=rate, seed=seed, updates=60) for rate in (1e-3, 3e-3, 1e-2) for seed in (1, 2)
)
"""Trials that are run again: relu, 672 timesteps, of one structure."""

FIT = (TrialConfig(units=32, learning_rate=1e-3), TrialConfig())
"""What Keras's own `fit` is asked to repeat: claim C10 at small scale and at the example's own size."""

FIT_SEEDS = (100_000, 100_001, 100_002)

FIT_RUNS = 4
"""Processes at the same time."""

POPULATIONS = {GPU: (1, 32), CPU: (1,)}
"""Trials that a program trains side by side."""

CARD_FULL = 4
"""First trials of the space `card_full` to time."""


# --- the tasks, each in a process of its own; what they yield is told line by line ----------------------------------


def about(_: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The device, and the CUDA libraries that this process has loaded after a small training on it."""
    from study.engine import run
    from study.engine.runtime import device_name, tf

    run([TrialConfig(units=4, timesteps=8, updates=2)])
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8").split()
    libraries = {Path(name).resolve().name for name in mapped if re.search(r"/lib(cu|nccl|nv)\w*\.so", name)}
    build = tf.sysconfig.get_build_info()
    yield {
        "device": device_name(),
        "built for": f"CUDA {build.get('cuda_version')}, cuDNN {build.get('cudnn_version')}",
        "libraries": sorted(libraries),
    }


def train(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Trials, side by side where a population is asked for: losses as hexadecimal numbers, and the onset's place."""
    from study.engine import run

    configs = [TrialConfig.model_validate(config) for config in asked["configs"]]
    for result in run(configs, population=asked["population"]):
        yield {
            "losses": [loss.hex() for loss in result.loss],
            "time_to_nan": result.time_to_nan,
            "onset": place_of(result.as_dict()["onset"]),
            "seconds": result.seconds,
            "population": result.population,
        }


def engine_speed(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of one update of one trial, for each population, and what the first call takes more."""
    from study.engine import run

    case = CASES[asked["case"]]
    for population in asked["populations"]:
        seconds = []
        for updates in (1, 1, 1 + case.updates):
            configs = [case.config.model_copy(update={"updates": updates, "seed": seed}) for seed in range(population)]
            began = time.perf_counter()
            run(configs, population=population)
            seconds.append(time.perf_counter() - began)
        first, short, long = seconds
        per_update = (long - short) / (case.updates * population)
        yield {"population": population, "seconds": per_update, "first": first - short}


def loop_speed(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of one update of Keras's `train_on_batch`, and of the first."""
    import numpy as np

    case = CASES[asked["case"]]
    config = case.config
    model = keras_model(config)
    draw = np.random.default_rng(0)
    labels = draw.permutation(np.arange(config.batch_size) < round(config.label_balance * config.batch_size))
    marks = [time.perf_counter()]
    for _ in range(1 + case.updates):
        batch = draw.standard_normal((config.batch_size, config.timesteps, config.features), dtype=np.float32)
        float(model.train_on_batch(batch, labels.astype(np.float32)))
        marks.append(time.perf_counter())
    yield {"seconds": (marks[-1] - marks[1]) / case.updates, "first": marks[1] - marks[0]}


def card_full(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first trials of `card_full`, one by one, compiling included."""
    from study.engine import run

    for number in range(asked["trials"]):
        config = space_trial("card_full", number)
        result = run([config])[0]
        sizes = {"units": config.units, "layers": config.layers, "activation": config.activation}
        yield {**sizes, "updates": result.updates, "time_to_nan": result.time_to_nan, "seconds": result.seconds}


TASKS: dict[str, Callable[[dict[str, Any]], Iterator[dict[str, Any]]]] = {
    task.__name__: task for task in (about, train, engine_speed, loop_speed, card_full)
}


# --- asking for them ------------------------------------------------------------------------------------------------


def ask(task: str, device: str, **asked: Any) -> list[dict[str, Any]]:
    """What a task tells on a device."""
    return told([sys.executable, __file__, "--task", task], device, asked)


def told(command: Sequence[str], device: str, asked: Any) -> list[dict[str, Any]]:
    """The lines of JSON that a command prints until its end or `LIMIT`; what went wrong is shown and passed over."""
    environment = os.environ | {"STUDY_PROGRAMS": "none", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    if device == CPU:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        try:
            subprocess.run(
                command,
                input=json.dumps(asked),
                text=True,
                stdout=out,
                stderr=errors,
                env=environment,
                timeout=LIMIT,
                check=True,
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            errors.seek(0)
            print(f"{command[2:]} on {device}: {error}\n{errors.read()[-3000:]}", file=sys.stderr, flush=True)
        out.seek(0)
        rows = [json.loads(line) for line in out if line.startswith("{")]
    seconds = time.perf_counter() - began
    print(json.dumps({"task": command[2:], "device": device, "seconds": seconds, "told": rows}), flush=True)
    return rows


def place_of(onset: dict[str, Any] | None) -> str:
    """Where the first number was that is not finite, of a result's JSON."""
    if onset is None:
        return "none"
    places = [f"update {onset['update']}", onset["phase"], onset["layer"], onset["tensor"]]
    if onset["timestep"] is not None:
        places.append(f"timestep {onset['timestep']}")
    return ", ".join(place for place in places if place)


# --- the parts ------------------------------------------------------------------------------------------------------


def repeat() -> list[str]:
    """Two processes on the GPU, one at a time and side by side, and one on the CPU."""
    configs = [config.as_json() for config in REPEATED]
    kinds = [(GPU, 1), (GPU, 1), (CPU, 1), (GPU, None), (GPU, None)]
    with ThreadPoolExecutor(len(kinds)) as pool:
        one, again, cpu, beside, beside_again = pool.map(
            lambda kind: ask("train", kind[0], configs=configs, population=kind[1]), kinds
        )
    population = beside[0]["population"] if beside else "none ended"
    lines = [
        "## Do trials repeat themselves",
        "",
        f"{len(REPEATED)} relu trials of {REPEATED[0].units} units and {REPEATED[0].timesteps} timesteps; how many "
        "have the same losses to the last bit:",
        "",
        f"- in two processes on the GPU, one at a time: {same(one, again)};",
        f"- in two processes on the GPU, side by side (population {population}): {same(beside, beside_again)};",
        f"- on the GPU, one at a time and side by side: {same(one, beside)};",
        f"- on the GPU and on the CPU: {same(one, cpu)}.",
        "",
        "| learning rate | seed | NaN at update, GPU | side by side | CPU | largest relative difference of the finite "
        "losses, GPU from CPU | the first number that is not finite, GPU | is on the CPU |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for config, *rows in zip(REPEATED, one, beside, cpu, strict=False):
        ends = [str(row["time_to_nan"] or f"none in {config.updates}") for row in rows]
        on_gpu, _, on_cpu = rows
        there = "the same" if on_gpu["onset"] == on_cpu["onset"] else on_cpu["onset"]
        cells = [f"{config.learning_rate:g}", str(config.seed), *ends, apart(on_gpu, on_cpu), on_gpu["onset"], there]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def same(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> str:
    """How many of the trials have the same losses to the last bit."""
    pairs = list(zip(one, other, strict=False))
    return f"{sum(left['losses'] == right['losses'] for left, right in pairs)} of {len(pairs)}"


def apart(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The largest relative difference of losses that are finite in both."""
    pairs = zip(map(float.fromhex, one["losses"]), map(float.fromhex, other["losses"]), strict=False)
    apart = [abs(left - right) / abs(right) for left, right in pairs if isfinite(left) and isfinite(right)]
    return f"{max(apart, default=0):.0e}"


def fit() -> list[str]:
    """Keras's own `fit` in several processes, as claim C10 asks."""
    lines = [
        "## Does Keras's own `fit` repeat itself (C10)",
        "",
        f"All seeds fixed, no switch for determinism, {FIT_RUNS} processes at the same time.",
        "",
        "| units | learning rate | seed | NaN at update, by process | different sequences of losses |",
        "| --- | --- | --- | --- | --- |",
    ]
    command = [sys.executable, "-m", "study.engine.plain_keras"]
    for config in FIT:
        jobs = [
            {"config": config.model_copy(update={"seed": seed}).as_json(), "return_sequences": False}
            for seed in FIT_SEEDS
        ]
        with ThreadPoolExecutor(FIT_RUNS) as pool:
            waiting = [pool.submit(told, command, GPU, {"threads": 2, "jobs": jobs}) for _ in range(FIT_RUNS)]
        runs = [answer.result() for answer in waiting]
        for place, seed in enumerate(FIT_SEEDS):
            rows = [run[place] for run in runs if len(run) > place]
            if not rows:
                continue
            ends = ", ".join(str(row["updates"]) if row["diverged"] else f"none in {row['updates']}" for row in rows)
            different = len({row["losses"] for row in rows})
            lines.append(
                f"| {config.units} | {config.learning_rate:g} | {seed} | {ends} | {different} of {len(rows)} |"
            )
    return lines


def speed() -> list[str]:
    """The engine and a user's loop, on the GPU and then on the CPU."""
    lines = [
        "## How fast",
        "",
        "Updates of trials a second. The engine on the CPU computes in one thread; the user's loop is Keras's "
        "`train_on_batch` as it comes, in all threads.",
        "",
        "| size | side | population | GPU | CPU | GPU / CPU | GF/s on the GPU | first call, s more, GPU | CPU |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for place, case in reversed(list(enumerate(CASES))):
        sides = {"compiled engine": "engine_speed", "user's loop": "loop_speed"}
        for side, task in sides.items():
            asked = {device: {"case": place, "populations": POPULATIONS[device]} for device in (GPU, CPU)}
            # The engine takes one thread of the CPU, and one that waits for the GPU; the user's loop takes all.
            with ThreadPoolExecutor(2 if task == "engine_speed" else 1) as pool:
                waiting = [pool.submit(ask, task, device, **values) for device, values in asked.items()]
            on_gpu, on_cpu = (answer.result() for answer in waiting)
            for row in on_gpu:
                rate = 1 / row["seconds"]
                speed_there = [f"{1 / cpu['seconds']:.3g} | {rate * cpu['seconds']:.3g}" for cpu in on_cpu]
                first_there = [f"{cpu['first']:.1f}" for cpu in on_cpu]
                lines.append(
                    f"| {case.name} | {side} | {row.get('population', 1)} | {rate:.3g} | {(*speed_there, '- | -')[0]} "
                    f"| {rate * gigaflop(case.config):.0f} | {row['first']:.1f} | {(*first_there, '-')[0]} |"
                )
    return lines


def trials() -> list[str]:
    """Whole trials: of the space card_full, of the example itself, and of a model file."""
    lines = [
        "## Whole trials on the GPU",
        "",
        f"The first {CARD_FULL} of `card_full` that ended within {LIMIT} s, compiling included:",
        "",
        "| units | layers | activation | updates | NaN at update | s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in ask("card_full", GPU, trials=CARD_FULL):
        cells = (row["units"], row["layers"], row["activation"], row["updates"], row["time_to_nan"] or "none")
        lines.append(f"| {' | '.join(map(str, cells))} | {row['seconds']:.0f} |")
    commands = {
        "study trial": [],
        "study trial --model notebooks/my_own_model.py --set learning_rate=0.1": [
            "--model",
            str(ROOT / "notebooks/my_own_model.py"),
            "--set",
            "learning_rate=0.1",
        ],
    }
    for shown, options in commands.items():
        lines += ["", f"`{shown}`:", ""]
        command = [sys.executable, "-m", "study", "trial", "--json", *options]
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(told, command, device, {}) for device in (GPU, CPU)]
        for device, rows in zip((GPU, CPU), (answer.result() for answer in waiting), strict=True):
            lines += [
                f"- {device}, {row['seconds']:.0f} s: {row['outcome']}, {row['updates']} updates; first not finite: "
                f"{place_of(row['onset'])}."
                for row in rows
            ]
    return lines


PARTS: dict[str, Callable[[], list[str]]] = {part.__name__: part for part in (repeat, fit, speed, trials)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("gpu.md"))
    options = parser.parse_args()
    if options.task:
        for row in TASKS[options.task](json.load(sys.stdin)):
            print(json.dumps(row), flush=True)
        return
    found = ask("about", GPU)
    if not found or found[0]["device"] == CPU:
        sys.exit("benchmarks/gpu.py: TensorFlow sees no GPU")
    lines = [
        "# On a GPU",
        "",
        f"{found[0]['device']}; {machine()}; {', '.join(f'{name} {number}' for name, number in versions().items())}.",
        f"TensorFlow is built for {found[0]['built for']}; loaded were {', '.join(found[0]['libraries'])}.",
    ]
    for name in options.parts:
        lines += ["", *PARTS[name]()]
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
