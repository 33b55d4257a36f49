"""What the boundary sampler itself takes in a card sweep, beside what the trials take.

    python benchmarks/boundary_time.py [--trials 500] [--workers 2] [--out benchmarks/boundary_time.md]

The sampler is asked for trials of `search_spaces/card.yaml`, as a sweep asks: as many are in flight as there are
workers. Each is answered with the outcome of the recorded card trial that is nearest to it, at once. So what this
process computes is the sampler and Optuna alone; Sobol in its place shows Optuna's part, which any sampler has. The
trials' own time is what a card sweep of 200 trials by Sobol takes by benchmarks/results.md, 186 s on two cores; the
boundary sampler's trials are nearer to the boundary, and so rather longer.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd

from study.space.file import parse
from study.space.samplers import build_sampler
from study.space.samplers.boundary import columns_of
from study.space.samplers.boundary_options import BoundaryOptions
from study.space.search_space import SearchSpace
from study.trial.axes import NONE, as_text
from study.trial.markdown import markdown_row, markdown_table

ROOT = Path(__file__).parents[1]
PARTS = (100, 200, 300, 400, 500)
"""Trials after which the time so far is told."""

SECONDS = 186 / 200
"""By the clock, of a trial of a sweep."""


class Recorded:
    """Recorded card trials, asked for the nearest one."""

    def __init__(self, space: SearchSpace) -> None:
        table = pd.read_parquet(ROOT / "notebooks" / "recorded" / "card.parquet")
        table = table[table["outcome"].isin(["diverged", "survived"])]
        self._columns = columns_of(space)
        rows = [
            {name: value for name, value in row.items() if not pd.isna(value)}
            for row in table[list(space.parameters)].to_dict("records")
        ]
        for row in rows:
            if row.get("batch_norm") == NONE and row.get("front_end") == NONE:
                row.pop("batch_norm")
        self._encoded = self._columns.encode(rows)
        self._updates = table["updates"].to_numpy(dtype=float)
        self._diverged = (table["outcome"] == "diverged").to_numpy()

    def nearest(self, point: dict[str, object]) -> tuple[float, bool]:
        """Updates of the nearest trial, and whether it diverged."""
        row = self._columns.encode([point])  # type: ignore[list-item]
        place = int(((self._encoded - row) ** 2).sum(axis=1).argmin())
        return float(self._updates[place]), bool(self._diverged[place])


def asked(space: SearchSpace, *, trials: int, workers: int) -> list[float]:
    """Seconds of processor time so far after each trial that was asked for."""
    study = optuna.create_study(sampler=build_sampler(space, seed=0))
    recorded = Recorded(space)
    in_flight: list[tuple[optuna.Trial, dict[str, object]]] = []
    spent, total = [], 0.0
    for _ in range(trials):
        started = time.process_time()
        trial = study.ask()
        values = space.suggest(trial)
        total += time.process_time() - started
        in_flight.append((trial, {name: as_text(v) if isinstance(v, str) else v for name, v in values.items()}))
        if len(in_flight) == workers:
            done, point = in_flight.pop(0)
            updates, diverged = recorded.nearest(point)
            done.set_user_attr("outcome", "diverged" if diverged else "survived")
            started = time.process_time()
            study.tell(done, updates)
            total += time.process_time() - started
        spent.append(total)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = parse((ROOT / "search_spaces" / "card.yaml").read_text(encoding="utf-8"))
    lines = [
        "# The boundary sampler's own time in a card sweep",
        "",
        f"{arguments.trials} trials, {arguments.workers} workers; seconds, all trials up to that one. The sampler has "
        "one thread, and its seconds are processor time.",
        "",
    ]
    rows = []
    for name, wanted in (
        ("boundary", replace(space, sampler="boundary", boundary=BoundaryOptions())),
        ("sobol", replace(space, sampler="sobol")),
    ):
        spent = asked(wanted, trials=arguments.trials, workers=arguments.workers)
        for part in [part for part in PARTS if part <= arguments.trials] or [arguments.trials]:
            own, others = spent[part - 1], SECONDS * part
            rows.append((name, part, f"{own:.1f}", f"{others:.1f}", f"{own / (own + others):.1%}"))
            print(markdown_row(rows[-1]), flush=True)
    lines.append(markdown_table(("sampler", "trials", "sampler and Optuna, s", "trials, s", "share"), rows))
    arguments.out.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
