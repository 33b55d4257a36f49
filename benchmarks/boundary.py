"""What a boundary costs: error against updates for the boundary sampler, Sobol, random and TPE, on a recorded truth.

    python benchmarks/boundary.py [--runs 20] [--truth two_axes three_axes] [--minutes M] [--out benchmarks/boundary]

`benchmarks/truth` has grids that were run whole, five seeds a point, by `study sweep benchmarks/truth/two_axes.yaml
--seed 7` (and `three_axes.yaml`), compiled engine. The truth is which points' seeds mostly diverge. A sampler asks for
points of such a grid and is given a trial of it, each seed once before any comes again. After a share of the updates
that one seed of the whole grid takes, the model of times is fitted to the sampler's trials, the same for all samplers,
and its error is the share of points on the wrong side. Beside it stands what the grid itself gets wrong with one seed a
point: its trials as they are, and the same model fitted to them.

Every run is written to `OUT_runs.csv` as it ends, and a run that is there is not made again: so a benchmark that was
cut off, or that ends after so many minutes, goes on when it is called again. Remove the file when the code has changed.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from study.analysis.boundary.time_model import Observed, TimeModel
from study.report.figures.drawing import CYCLE, new_figure, styled
from study.space.file import parse
from study.space.samplers import build_sampler
from study.space.samplers.boundary import columns_of
from study.space.samplers.boundary_options import BoundaryOptions
from study.space.search_space import Choices, SearchSpace
from study.trial.markdown import markdown_table

TRUTH = Path(__file__).parent / "truth"
SHARES = (0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3)
"""Of the grid's updates, where the error is looked at."""

SAMPLERS = ("boundary", "sobol", "random", "tpe")
POINTS = 5
"""That the boundary sampler begins with."""

NOT_FITTED = 0.5
"""Error of a sampler whose trials do not show both outcomes yet."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A grid that was run whole."""

    name: str
    space: SearchSpace
    points: list[dict[str, Any]]
    updates: np.ndarray
    """Of every point's trials, (points, seeds)."""
    diverged: np.ndarray
    encoded: np.ndarray

    @classmethod
    def load(cls, name: str) -> Truth:
        """Read a grid; its axes become choices, so that samplers ask for its points."""
        space = parse((TRUTH / f"{name}.yaml").read_text(encoding="utf-8"), source=name)
        table = pd.read_parquet(TRUTH / f"{name}.parquet")
        axes = list(space.parameters)
        grouped = [(dict(zip(axes, key, strict=True)), rows) for key, rows in table.groupby(axes)]
        values = {axis: tuple(sorted({point[axis] for point, _ in grouped})) for axis in axes}
        choices = replace(space, parameters={axis: Choices(values=several) for axis, several in values.items()})
        points = [point for point, _ in grouped]
        return cls(
            name=name,
            space=choices,
            points=points,
            updates=np.array([rows["updates"].to_numpy(dtype=float) for _, rows in grouped]),
            diverged=np.array([(rows["outcome"] == "diverged").to_numpy() for _, rows in grouped]),
            encoded=columns_of(choices).encode(points),
        )

    @property
    def above(self) -> np.ndarray:
        """Which points' trials mostly diverge, (points,)."""
        return self.diverged.mean(axis=1) > 0.5

    @property
    def grid_updates(self) -> float:
        """Of one seed of the whole grid."""
        return float(self.updates.mean(axis=1).sum())

    def error(self, places: list[int], seeds: list[int]) -> float:
        """Of the model fitted to these trials."""
        observed = Observed(
            points=self.encoded[places], updates=self.updates[places, seeds], diverged=self.diverged[places, seeds]
        )
        if observed.diverged.all() or not observed.shows_a_boundary:
            return NOT_FITTED
        distance = TimeModel(observed).forecast(self.encoded, budget=self.space.updates).distance(0.5)
        return float(((distance > 0) != self.above).mean())


def run(truth: Truth, sampler: str, *, seed: int) -> pd.DataFrame:
    """Error, trials and seconds that the sampler took, at each of `SHARES`."""
    space = replace(
        truth.space,
        sampler=sampler,
        replicates=1,
        hunt="longest" if sampler == "tpe" else None,
        boundary=BoundaryOptions(points=POINTS) if sampler == "boundary" else None,
    )
    draw = np.random.default_rng(seed)
    unused: list[list[int]] = [[] for _ in truth.points]
    direction = "maximize" if sampler == "tpe" else "minimize"
    study = optuna.create_study(sampler=build_sampler(space, seed=seed), direction=direction)
    places: list[int] = []
    seeds: list[int] = []
    rows: list[dict[str, Any]] = []
    spent = seconds = 0.0
    while len(rows) < len(SHARES):
        started = time.process_time()
        trial = study.ask()
        values = space.suggest(trial)
        seconds += time.process_time() - started
        place = truth.points.index(dict(values))
        unused[place] = unused[place] or list(draw.permutation(truth.updates.shape[1]))
        one = int(unused[place].pop())
        updates = truth.updates[place, one]
        # A share ends with the last trial that fits into it.
        while len(rows) < len(SHARES) and spent + updates > SHARES[len(rows)] * truth.grid_updates:
            error = truth.error(places, seeds) if places else NOT_FITTED
            rows.append({"share": SHARES[len(rows)], "error": error, "trials": len(places), "seconds": seconds})
        places.append(place)
        seeds.append(one)
        spent += updates
        trial.set_user_attr("outcome", "diverged" if truth.diverged[place, one] else "survived")
        study.tell(trial, updates)
    return pd.DataFrame(rows).assign(truth=truth.name, sampler=sampler, seed=seed)


def all_runs(truths: list[Truth], *, runs: int, kept: Path, until: float) -> pd.DataFrame:
    """The runs asked for: those in `kept`, and those made until a time by the clock."""
    table = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=["truth", "sampler", "seed"])
    done = set(zip(table["truth"], table["sampler"], table["seed"], strict=True))
    # Seed by seed, so that what was cut off has all samplers.
    for seed in range(runs):
        for truth in truths:
            for sampler in SAMPLERS:
                if (truth.name, sampler, seed) in done or time.monotonic() > until:
                    continue
                new = run(truth, sampler, seed=seed)
                new.to_csv(kept, mode="a", header=not kept.exists(), index=False, float_format="%.4g")
                table = pd.concat([table, new]) if len(table) else new
                print(f"{truth.name} {sampler} {seed}: " + " ".join(f"{e:.3f}" for e in new["error"]), flush=True)
    return table


def of_grid(truth: Truth, *, runs: int) -> tuple[float, float]:
    """Error of the grid's trials as they are, and of the model fitted to them, one seed a point."""
    draw = np.random.default_rng(0)
    raw = float((truth.diverged != truth.above[:, np.newaxis]).mean())
    every = list(range(len(truth.points)))
    fitted = [truth.error(every, draw.integers(truth.updates.shape[1], size=len(every)).tolist()) for _ in range(runs)]
    return raw, float(np.mean(fitted))


def report(truth: Truth, table: pd.DataFrame, *, out: Path) -> str:
    """Markdown of one truth; its curves are drawn beside it."""
    raw, fitted = of_grid(truth, runs=12)
    table = table[table["truth"] == truth.name]
    shares = sorted(table["share"].unique())
    lines = [
        f"## {truth.name}: {len(truth.points)} points, {truth.grid_updates:.0f} updates for one seed of each",
        "",
        f"The grid's own error with one seed a point: {raw:.3f} as it is, {fitted:.3f} by the model. Mean error of the "
        "runs (10% to 90% of them); columns are shares of the grid's updates.",
        "",
    ]
    columns = (
        *("sampler", "runs", *(f"{share:g}" for share in shares)),
        *("reaches the grid's error at", "with trials", "ms a trial"),
    )
    rows = []
    with styled():
        figure = new_figure(4.0)
        axes = figure.subplots()
        for sampler, (colour, line) in zip(SAMPLERS, CYCLE, strict=False):
            own = table[table["sampler"] == sampler]
            if not len(own):
                continue
            errors = own.pivot(index="seed", columns="share", values="error")
            mean, low, high = errors.mean(), errors.quantile(0.1), errors.quantile(0.9)
            trials = own.groupby("share")["trials"].mean()
            reached = next((share for share in shares if mean[share] <= raw), None)
            cells = [f"{mean[share]:.3f} ({low[share]:.3f} to {high[share]:.3f})" for share in shares]
            last = own[own["share"] == shares[-1]]
            reaches = (f"not by {shares[-1]:g}", "") if reached is None else (f"{reached:g}", f"{trials[reached]:.0f}")
            spent = f"{1000 * last['seconds'].sum() / last['trials'].sum():.0f}"
            rows.append((sampler, len(errors), *cells, *reaches, spent))
            axes.plot(shares, mean, color=colour, linestyle=line, label=sampler)
            axes.fill_between(shares, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.axhline(raw, color="#333942", linewidth=0.8, linestyle="--", label="the grid itself")
        axes.set_xlabel("updates, as a share of the grid's")
        axes.set_ylabel("points on the wrong side")
        axes.set_ylim(0, 0.4)
        axes.legend()
        figure.savefig(out.with_name(f"{out.name}_{truth.name}.png"), dpi=150)
    return "\n".join([*lines, markdown_table(columns, rows), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--truth", nargs="+", default=["two_axes", "three_axes"])
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "boundary")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    truths = [Truth.load(name) for name in arguments.truth]
    kept = arguments.out.with_name(f"{arguments.out.name}_runs.csv")
    until = time.monotonic() + 60 * arguments.minutes
    table = all_runs(truths, runs=arguments.runs, kept=kept, until=until)
    parts = [report(truth, table, out=arguments.out) for truth in truths]
    text = "\n".join(["# The boundary sampler on a recorded truth", "", *parts])
    arguments.out.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
