"""How often the interval of a critical value holds the truth, whichever sampler chose the trials.

    python benchmarks/boundary_coverage.py [--studies 200] [--scenario NAME ...] [--workers 2] [--minutes M] [--out OUT]

Every study draws its trials by what a trial is: the loss of update n is that of the weights after n - 1 steps, so that
it goes to NaN at update 1 + ceil(S), S being the steps that are too many, or at update 1 before any. In most scenarios
S is a median times a factor drawn for each trial, and half of the trials diverge where the median is the steps of the
budget. Where it is not so, the truth is found by the formula of P itself. Trials are chosen by Sobol, random and the
boundary sampler; the interval is that of `study boundary`. At 95% it should hold the truth in 90 to 98% of 200 studies.
One that reaches out of the values tried is open there; a study without any interval does not hold the truth.

OUT is `benchmarks/boundary_coverage` unless stated. Every study is written to `OUT_studies.csv` as it ends, and one
that is there is not made again: so a benchmark that was cut off, or that ends after so many minutes, goes on when it is
called again. Remove the file when the code has changed.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, ndtr
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from study.analysis.boundary.contour import contour
from study.space.file import parse
from study.space.samplers import build_sampler
from study.trial.errors import UserError
from study.trial.markdown import markdown_row, markdown_table
from tests.analysis.made_up_trials import results_table

SAMPLERS = {"boundary": "{boundary: 0.5, points: 8}", "sobol": "sobol", "random": "random"}
RATE = "learning_rate: {low: 1e-4, high: 1e-1, log: true}"

Draw = np.random.Generator
Values = Mapping[str, float]


def log_normal(deviation: float) -> Callable[[Draw], float]:
    """A factor of steps whose logarithm has this deviation, 1 in the median."""
    return lambda draw: math.exp(deviation * draw.standard_normal())


USUAL = log_normal(0.25)


def weibull(shape: float) -> Callable[[Draw], float]:
    """A factor of steps with this shape, 1 in the median; a shape of 1 is the exponential distribution."""
    return lambda draw: (draw.exponential() / math.log(2)) ** (1 / shape)


def never(draw: Draw) -> float:
    """Steps do no harm."""
    return math.inf


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A space, how its trials end, and where the critical learning rate is.

    Attributes:
        about: What is special about it.
        truth: The learning rate at which half of the trials diverge within the budget, at `at`.
        median: Of the steps to NaN, by the trial's values.
        factor: Of each trial's steps.
        immediate: P(NaN at update 1), by the trial's values.
        parameters: Of the space, beside the learning rate.
        at: Values of these at which the critical value is asked for.
        budget: In updates.
        trials: Of a study.
    """

    about: str
    truth: float
    median: Callable[[Values], float] = lambda values: 0.1 / values["learning_rate"]
    factor: Callable[[Draw], float] = USUAL
    immediate: Callable[[Values], float] = lambda values: 0.0
    parameters: str = ""
    at: Mapping[str, float | str] = field(default_factory=dict)
    budget: int = 60
    trials: int = 40

    def update(self, values: Values, draw: Draw) -> float:
        """At which a trial goes to NaN, infinite if never."""
        if draw.random() < self.immediate(values):
            return 1
        steps = self.median(values) * self.factor(draw)
        return 1 + math.ceil(steps) if math.isfinite(steps) else math.inf


def _by_units(values: Values) -> float:
    return 1.6 / (values["learning_rate"] * values["units"])


def _at_once(values: Values) -> float:
    """Half of the trials at a learning rate of 1e-2, nine in ten at 3e-2."""
    return float(expit(math.log(9) * math.log(values["learning_rate"] / 1e-2) / math.log(3)))


def _both_ways(rate: float) -> float:
    """P(NaN within 60 updates) - 1/2, of trials that take a step or do not."""
    later = float(ndtr(math.log(59 * rate / 0.4) / 0.25))
    return 1 - (1 - _at_once({"learning_rate": rate})) * (1 - later) - 0.5


SCENARIOS = {
    "one axis": Scenario(about="a scatter of 0.25 in the logarithm of steps", truth=0.1 / 59),
    "few trials": Scenario(about="20 of them", truth=0.1 / 59, trials=20),
    "many trials": Scenario(about="120 of them", truth=0.1 / 59, trials=120),
    "steep": Scenario(about="a scatter of 0.05", truth=0.1 / 59, factor=log_normal(0.05)),
    "noisy": Scenario(about="a scatter of 1", truth=0.1 / 59, factor=log_normal(1.0)),
    "skewed": Scenario(about="exponential times", truth=0.1 / 59, factor=weibull(1.0)),
    "flat": Scenario(
        about="steps go as the root of the learning rate, a scatter of 0.5",
        truth=0.01 * (12 / 59) ** 2,
        median=lambda values: 12 * math.sqrt(0.01 / values["learning_rate"]),
        factor=log_normal(0.5),
    ),
    "censored": Scenario(
        about="a budget of 10 updates, within which one trial in four diverges",
        truth=0.15 / 9,
        median=lambda values: 0.15 / values["learning_rate"],
        budget=10,
    ),
    "two axes": Scenario(
        about="at 16 units, of 4 to 64; 60 trials",
        truth=0.1 / 59,
        median=_by_units,
        parameters="units: {low: 4, high: 64, log: true}",
        at={"units": 16},
        trials=60,
    ),
    "two axes, near the edge": Scenario(
        about="at 48 units, of 4 to 64; 60 trials",
        truth=1.6 / 48 / 59,
        median=_by_units,
        parameters="units: {low: 4, high: 64, log: true}",
        at={"units": 48},
        trials=60,
    ),
    "both ways": Scenario(
        about="some trials at update 1",
        truth=brentq(_both_ways, 1e-4, 1e-1),
        median=lambda values: 0.4 / values["learning_rate"],
        immediate=_at_once,
        trials=60,
    ),
    "no times": Scenario(
        about="all that diverge do so at update 1", truth=1e-2, immediate=_at_once, factor=never, trials=60
    ),
}


def interval(scenario: Scenario, sampler: str, *, seed: int) -> tuple[float, float] | None:
    """The interval of the critical learning rate in a study; its ends 0 and infinite where it is open."""
    text = f"parameters: {{{', '.join(filter(None, [RATE, scenario.parameters]))}}}\nupdates: {scenario.budget}\n"
    space = parse(f"{text}trials: 1000\nsampler: {SAMPLERS[sampler]}")
    study = optuna.create_study(sampler=build_sampler(space, seed=seed))
    draw = np.random.default_rng(seed)
    points: list[dict[str, float]] = []
    updates: list[float] = []
    for _ in range(scenario.trials):
        trial = study.ask()
        values = {axis: float(str(value)) for axis, value in space.suggest(trial).items()}
        update = scenario.update(values, draw)
        trial.set_user_attr("outcome", "diverged" if update <= scenario.budget else "survived")
        study.tell(trial, min(update, scenario.budget))
        points.append(values)
        updates.append(update)
    table = results_table(
        updates, budget=scenario.budget, **{axis: [one[axis] for one in points] for axis in points[0]}
    )
    try:
        found = contour(table, along=["learning_rate"], at=scenario.at, next_trials=0)
    except UserError:
        # No trial of the study was as far out as it is asked for.
        return None
    if found is None or not found.crossings[0].unsure:
        return None
    return found.crossings[0].low or 0.0, found.crossings[0].high or math.inf


def row(name: str, sampler: str, seed: int) -> dict[str, object]:
    """What a study told, a row of `OUT_studies.csv`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    low, high = interval(SCENARIOS[name], sampler, seed=seed) or (math.nan, math.nan)
    held = low <= SCENARIOS[name].truth <= high
    return {"scenario": name, "sampler": sampler, "seed": seed, "held": held, "width": high / low if low else math.inf}


def all_studies(names: list[str], *, studies: int, workers: int, kept: Path, until: float) -> pd.DataFrame:
    """The studies asked for: those in `kept`, and those made until a time by the clock."""
    done: set[tuple[str, str, int]] = set()
    if kept.exists():
        table = pd.read_csv(kept)
        done = set(zip(table["scenario"], table["sampler"], table["seed"], strict=True))
    # Seed by seed, so that what was cut off has all scenarios and samplers.
    wanted = ((name, sampler, seed) for seed in range(studies) for name in names for sampler in SAMPLERS)
    left = iter([one for one in wanted if one not in done])
    # A core each: threads of small matrices that wait for one another take ten times as long.
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        running = {pool.submit(row, *one) for one in islice(left, workers)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for one in ended:
                pd.DataFrame([one.result()]).to_csv(
                    kept, mode="a", header=not kept.exists(), index=False, float_format="%.4g"
                )
            if time.monotonic() < until:
                running |= {pool.submit(row, *one) for one in islice(left, len(ended))}
    table = pd.read_csv(kept)
    return table[table["seed"] < studies]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="repeatable [default: all]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "boundary_coverage")
    arguments = parser.parse_args()
    kept = arguments.out.with_name(f"{arguments.out.name}_studies.csv")
    until = time.monotonic() + 60 * arguments.minutes
    names = arguments.scenario or list(SCENARIOS)
    table = all_studies(names, studies=arguments.studies, workers=arguments.workers, kept=kept, until=until)
    lines = [
        "# Intervals of the critical value in simulated studies",
        "",
        "How often the 95% interval of the critical learning rate holds the truth. 40 trials and a budget of 60 "
        "updates unless stated; scenarios are in `boundary_coverage.py`.",
        "",
    ]
    rows = []
    for name, scenario in SCENARIOS.items():
        for sampler in SAMPLERS:
            own = table[(table["scenario"] == name) & (table["sampler"] == sampler)]
            if not len(own):
                continue
            held = int(own["held"].sum())
            low, high = binomtest(held, len(own)).proportion_ci(method="wilson")
            told = f"{held / len(own):.1%}", f"{low:.1%} to {high:.1%}", f"{own['width'].median():.3g}"
            rows.append((f"{name}: {scenario.about}", sampler, len(own), *told))
            print(markdown_row(rows[-1]), flush=True)
    columns = ("scenario", "sampler", "studies", "hold the truth", "95% interval of that", "median width, a factor")
    lines.append(markdown_table(columns, rows))
    arguments.out.with_suffix(".md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
