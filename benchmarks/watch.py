"""What it costs to watch a training: bare `fit` beside `NaNWatch`, `TerminateOnNaN` and `check_numerics`.

    python benchmarks/watch.py [--repetitions 9] [--updates 20] [--out benchmarks/watch.md]

The model is of ordinary size: two LSTMs of 128 units over 100 timesteps, in batches of 32. Each side has a model of its
own, compiled before anything is timed. The sides take turns, and what is told is the fastest turn of each, as `timeit`
has it: under XLA an update takes one time or nearly twice that, with a callback or without, as its threads are put on
two cores or on one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from study import NaNWatch
from study.trial.environment import machine, versions
from study.trial.markdown import markdown_table

UNITS, TIMESTEPS, FEATURES, BATCH = 128, 100, 8, 32

BARE = "bare fit"


def network(*, jit_compile: bool) -> keras.Model:
    """Two LSTMs and a Dense layer, with the same initial weights every time."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((TIMESTEPS, FEATURES)),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse", jit_compile=jit_compile)
    return model


def sides(*, jit_compile: bool, updates: int) -> dict[str, Callable[[], float]]:
    """Name -> a function that trains for an epoch and gives the seconds that it took."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((updates * BATCH, TIMESTEPS, FEATURES)).astype("float32")
    y = x[:, -1, :1]

    def side(callbacks: list[Any]) -> Callable[[], float]:
        model = network(jit_compile=jit_compile)

        def epoch() -> float:
            start = time.perf_counter()
            model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
            return time.perf_counter() - start

        epoch()
        return epoch

    made = {
        BARE: side([]),
        "NaNWatch": side([NaNWatch()]),
        "TerminateOnNaN": side([keras.callbacks.TerminateOnNaN()]),
    }
    if not jit_compile:  # XLA has no kernel for its operation
        # It counts for what is traced while it is on.
        tf.debugging.enable_check_numerics()
        try:
            made["check_numerics"] = side([])
        finally:
            tf.debugging.disable_check_numerics()
    return made


def measured(*, jit_compile: bool, updates: int, repetitions: int) -> list[tuple[object, ...]]:
    """Rows of a table, one a side."""
    epochs = sides(jit_compile=jit_compile, updates=updates)
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for turn in range(repetitions):
        names = list(epochs)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds[name].append(epochs[name]())
    rows = []
    for name, times in seconds.items():
        fastest, ratio = 1000 * min(times) / updates, min(times) / min(seconds[BARE])
        rows.append((jit_compile, name, f"{fastest:.1f}", f"{ratio:.3f}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--updates", type=int, default=20, help="of an epoch, which is what is timed")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    columns = ("jit_compile", "side", "ms an update, fastest turn", "ratio to bare fit")
    rows = [
        row
        for jit_compile in (False, True)
        for row in measured(jit_compile=jit_compile, updates=given.updates, repetitions=given.repetitions)
    ]
    about = f"Two LSTMs of {UNITS} over {TIMESTEPS} timesteps, batches of {BATCH}; {given.repetitions} turns of "
    on = ", ".join(f"{name} {versions()[name]}" for name in ("tensorflow", "keras"))
    told = [about + f"{given.updates} updates each. {machine()}; {on}.", "", markdown_table(columns, rows)]
    print("\n".join(told))
    if given.out:
        given.out.write_text("# The cost of watching\n\n" + "\n".join(told) + "\n")


if __name__ == "__main__":
    main()
