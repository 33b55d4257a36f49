"""What watching costs a trial of a user's model: the trial beside the same updates in bare `fit`.

    python benchmarks/own_model.py [--rounds 5] [--updates 80] [--out benchmarks/own_model.md]

Both sides run in one process, with the same settings of TensorFlow, one right after the other and in turns. What is
measured is processor time, of all threads of the process, which other work on the machine hardly touches; their ratio
holds better still. An update is measured from call to call of the training step, so that whatever `fit` does between
two updates counts. The first updates, which trace the graph, are left out of it; `whole` is a trial and a script with
`build`, `data` and `fit`, tracing included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.models.file import ModelFile
from study.models.prepare import prepare, start_anew
from study.models.signature import design_of
from study.models.training import train
from study.trial.environment import machine, versions
from study.trial.markdown import markdown_row, markdown_table
from study.trial.model_design import ModelConfig

WARM_UP, BATCH, ROWS = 10, 32, 640

FILE = """\
import keras
import numpy as np
from keras import layers


def build():
    model = keras.Sequential([keras.Input({shape}), {layers}])
    model.compile(optimizer="adam", loss="mse")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((640, *{shape})).astype("float32")
    return x, x.mean(axis=(1, 2))[:, None]
"""

CASES = {
    "Dense(16), of 40 x 4 inputs": ((40, 4), "layers.Flatten(), layers.Dense(16, activation='relu'), layers.Dense(1)"),
    "LSTM(16), 40 timesteps": ((40, 4), "layers.LSTM(16), layers.Dense(1)"),
    "Conv1D(64) and GRU(64), 100 timesteps": ((100, 8), "layers.Conv1D(64, 5), layers.GRU(64), layers.Dense(1)"),
    "two LSTM(128), 100 timesteps": (
        (100, 8),
        "layers.LSTM(128, return_sequences=True), layers.LSTM(128), layers.Dense(1)",
    ),
    "four Dense(1024), of 40 x 8 inputs": (
        (40, 8),
        "layers.Flatten(), " + "layers.Dense(1024, activation='relu'), " * 4 + "layers.Dense(1)",
    ),
}
"""Name -> shape of a row, and layers."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One measurement of one side."""

    update: float
    """Mean seconds of processor time of an update, after the first ones."""
    whole: float
    """Seconds of processor time of all of it."""


def mean(times: list[float]) -> float:
    """Seconds between two of these times, after the first ones. Batches are prepared ahead, so that one alone tells
    nothing."""
    return (times[-1] - times[WARM_UP]) / (len(times) - 1 - WARM_UP)


def bare(file: ModelFile, config: ModelConfig) -> Side:
    """`fit` as a script would call it."""
    times: list[float] = []
    began = time.process_time()
    start_anew(seed=config.seed)
    functions = file.load()
    model, (x, y) = functions.build(), functions.data()
    step = model.make_train_function() or model.train_function

    def timed(iterator: Any) -> Any:
        logs = step(iterator)
        times.append(time.process_time())
        return logs

    model.train_function = timed
    model.fit(x, y, epochs=config.updates * BATCH // len(x), verbose=0)
    assert len(times) == config.updates
    return Side(update=mean(times), whole=time.process_time() - began)


def trial(file: ModelFile, config: ModelConfig) -> Side:
    """The same updates as a trial."""
    times: list[float] = []
    began = time.process_time()
    trained = train(prepare(file, config), grows=True, on_update=lambda number, loss: times.append(time.process_time()))
    assert len(trained.loss) == config.updates
    return Side(update=mean(times), whole=time.process_time() - began)


def measured(name: str, *, rounds: int, updates: int, folder: Path) -> list[str]:
    """A row of the table."""
    shape, layers = CASES[name]
    path = folder / "model.py"
    path.write_text(FILE.format(shape=shape, layers=layers))
    file = ModelFile.read(path)
    config = design_of(file).config({"updates": updates})
    bare(file, config.replacing(updates=ROWS // BATCH))  # TensorFlow's own start is nobody's
    sides = []
    for number in range(rounds):
        # What runs second finds a heap that the first has grown, so they change places.
        if number % 2:
            ours, plain = trial(file, config), bare(file, config)
        else:
            plain, ours = bare(file, config), trial(file, config)
        sides.append((plain, ours))
    cells = [name]
    for what in ("update", "whole"):
        plain, ours = (statistics.median(getattr(side[number], what) for side in sides) for number in (0, 1))
        ratio = statistics.median(getattr(ours, what) / getattr(plain, what) for plain, ours in sides)
        unit, scale = ("ms", 1e3) if what == "update" else ("s", 1)
        cells += [f"{plain * scale:.2f} {unit}", f"{ours * scale:.2f} {unit}", f"{ratio:.3f}"]
    return cells


def main() -> None:
    """Measure all models, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="times that each side is run")
    parser.add_argument("--updates", type=int, default=80, help=f"of a run, a multiple of {ROWS // BATCH}")
    parser.add_argument("--only", choices=list(CASES), action="append", help="one model; repeatable")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "own_model.md")
    given = parser.parse_args()
    lines = [
        "# A trial of a model file beside bare fit",
        "",
        f"{machine()}; {', '.join(f'{name} {version}' for name, version in versions().items())}. "
        f"{given.rounds} rounds of {given.updates} updates of {BATCH} rows each. Seconds are of the "
        "processor; ratios are medians over the rounds. `update` leaves out the first ones, `whole` is everything: "
        "`build`, `data`, tracing, all updates and, of the trial, its growth. A whole trial is to cost at most 1.10.",
        "",
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only or CASES:
            rows.append(measured(name, rounds=given.rounds, updates=given.updates, folder=Path(folder)))
            print(markdown_row(rows[-1]), flush=True)
    lines.append(markdown_table(("model", "update: fit", "trial", "ratio", "whole: fit", "trial", "ratio"), rows))
    given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
