"""How often the interval of a critical value holds the truth, whichever sampler chose the trials.

    python benchmarks/boundary_coverage.py [--studies 200] [--trials 40] [--minutes M] [--out OUT]

Every study has one axis, the learning rate, and goes to NaN at update 1 + ceil(S), the steps S log-normal around
0.1 / learning rate with a deviation of 0.25 in the logarithm. So half of the trials diverge within 60 updates at a
learning rate of 0.1 / 59. Trials are chosen by Sobol, random and the boundary sampler; the interval is that of
`study boundary`. At 95% it should hold the truth in 90 to 98% of 200 studies.

OUT is `benchmarks/boundary_coverage` unless stated. Every study is written to `OUT_studies.csv` as it ends, and one
that is there is not made again: so a benchmark that was cut off, or that ends after so many minutes, goes on when it is
called again. Remove the file when the code has changed.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from scipy.stats import binomtest

from study.analysis.boundary.contour import contour
from study.space.file import parse
from study.space.samplers import build_sampler
from study.trial.markdown import markdown_row, markdown_table
from tests.analysis.made_up_trials import results_table

SPACE = """
parameters: {learning_rate: {low: 1e-4, high: 1e-1, log: true}}
updates: 60
trials: 1000
sampler: """
SAMPLERS = {"boundary": "{boundary: 0.5, points: 8}", "sobol": "sobol", "random": "random"}
TRUTH, SCATTER, BUDGET = 0.1 / 59, 0.25, 60


def covers(sampler: str, *, trials: int, seed: int) -> tuple[bool, float]:
    """Whether the interval holds the truth, and its width as a factor; infinite where it is open."""
    space = parse(SPACE + SAMPLERS[sampler])
    study = optuna.create_study(sampler=build_sampler(space, seed=seed))
    draw = np.random.default_rng(seed)
    rates, times = [], []
    for _ in range(trials):
        trial = study.ask()
        rate = float(str(space.suggest(trial)["learning_rate"]))
        update = 1 + math.ceil(0.1 / rate * math.exp(SCATTER * draw.standard_normal()))
        trial.set_user_attr("outcome", "diverged" if update <= BUDGET else "survived")
        study.tell(trial, min(update, BUDGET))
        rates.append(rate)
        times.append(update)
    found = contour(results_table(times, budget=BUDGET, learning_rate=rates), along=["learning_rate"], next_trials=0)
    if found is None or found.crossings[0].value is None:
        return False, math.inf
    low, high = found.crossings[0].low or 0.0, found.crossings[0].high or math.inf
    return low <= TRUTH <= high, high / low if low else math.inf


def all_studies(*, studies: int, trials: int, kept: Path, until: float) -> pd.DataFrame:
    """The studies asked for: those in `kept`, and those made until a time by the clock."""
    table = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=["sampler", "trials", "seed"])
    done = set(zip(table["sampler"], table["trials"], table["seed"], strict=True))
    for seed in range(studies):
        for sampler in SAMPLERS:
            if (sampler, trials, seed) in done or time.monotonic() > until:
                continue
            held, width = covers(sampler, trials=trials, seed=seed)
            row = {"sampler": sampler, "trials": trials, "seed": seed, "held": held, "width": width}
            pd.DataFrame([row]).to_csv(kept, mode="a", header=not kept.exists(), index=False, float_format="%.4g")
    table = pd.read_csv(kept)
    return table[(table["trials"] == trials) & (table["seed"] < studies)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "boundary_coverage")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = arguments.out.with_name(f"{arguments.out.name}_studies.csv")
    until = time.monotonic() + 60 * arguments.minutes
    table = all_studies(studies=arguments.studies, trials=arguments.trials, kept=kept, until=until)
    lines = [
        "# Intervals of the critical value in simulated studies",
        "",
        f"Studies of {arguments.trials} trials.",
        "",
    ]
    rows = []
    for sampler in SAMPLERS:
        own = table[table["sampler"] == sampler]
        held = int(own["held"].sum())
        low, high = binomtest(held, len(own)).proportion_ci(method="wilson")
        width = float(own["width"].median())
        rows.append((sampler, len(own), f"{held / len(own):.1%}", f"{low:.1%} to {high:.1%}", f"{width:.3g}"))
        print(markdown_row(rows[-1]), flush=True)
    columns = ("sampler", "studies", "hold the truth", "95% interval of that", "median width, a factor")
    lines.append(markdown_table(columns, rows))
    arguments.out.with_suffix(".md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
