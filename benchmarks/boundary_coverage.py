"""How often the interval of a critical value holds the truth, whichever sampler chose the trials.

    python benchmarks/boundary_coverage.py [--studies 200] [--trials 40] [--out benchmarks/boundary_coverage.md]

Every study has one axis, the learning rate, and goes to NaN at update 1 + ceil(S), the steps S log-normal around
0.1 / learning rate with a deviation of 0.25 in the logarithm. So half of the trials diverge within 60 updates at a
learning rate of 0.1 / 59. Trials are chosen by Sobol, random and the boundary sampler; the interval is that of
`study boundary`. At 95% it should hold the truth in 90 to 98% of 200 studies.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import optuna
from scipy.stats import binomtest

from study.analysis.boundary.contour import contour
from study.space.file import parse
from study.space.samplers import build_sampler
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
        time = 1 + math.ceil(0.1 / rate * math.exp(SCATTER * draw.standard_normal()))
        trial.set_user_attr("outcome", "diverged" if time <= BUDGET else "survived")
        study.tell(trial, min(time, BUDGET))
        rates.append(rate)
        times.append(time)
    found = contour(results_table(times, budget=BUDGET, learning_rate=rates), along=["learning_rate"], next_trials=0)
    if found is None or found.crossings[0].value is None:
        return False, math.inf
    low, high = found.crossings[0].low or 0.0, found.crossings[0].high or math.inf
    return low <= TRUTH <= high, high / low if low else math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "boundary_coverage.md")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = [
        "# Intervals of the critical value in simulated studies",
        "",
        f"{arguments.studies} studies of {arguments.trials} trials for each sampler.",
        "",
        "| sampler | hold the truth | 95% interval of that | median width, a factor |",
        "| --- | --- | --- | --- |",
    ]
    for sampler in SAMPLERS:
        results = [covers(sampler, trials=arguments.trials, seed=seed) for seed in range(arguments.studies)]
        held = sum(covered for covered, _ in results)
        low, high = binomtest(held, len(results)).proportion_ci(method="wilson")
        width = float(np.median([width for _, width in results]))
        lines.append(f"| {sampler} | {held / len(results):.1%} | {low:.1%} to {high:.1%} | {width:.3g} |")
        print(lines[-1], flush=True)
    arguments.out.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
