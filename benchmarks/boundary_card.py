"""How well trials that the boundary sampler chose tell the outcome of card's recorded trials, which it has not seen.

    study sweep benchmarks/boundary_card.yaml --name card_boundary --seed 40
    python benchmarks/boundary_card.py card_boundary [--out benchmarks/boundary_card.md]

The sweep trains 400 new trials, about a second each on two cores, and goes on when it is called again. Of its first
100, 200, 300 and 400 trials, two models tell whether each of the 1,000 recorded trials of card went to NaN: the time
model of `study boundary`, and the best of the kinds of `study.analysis.prediction`, chosen by cross-validation among
the trials that it is fitted to. Their mean probability is a third. Beside them stand as many of the recorded trials
drawn at random, judged on the rest of them: ten draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from study import load_study
from study.analysis.boundary.time_surface import time_surface
from study.analysis.prediction.held_out import held_out, predict
from study.analysis.predictors import with_result
from study.trial.markdown import markdown_row, markdown_table

COUNTS = (100, 200, 300, 400)
DRAWS = 10
MODELS = ("time model", "best kind", "mean of both")


def accuracies(trials: pd.DataFrame, judged: pd.DataFrame) -> list[float]:
    """Of `MODELS` fitted to some trials, on others."""
    surface = time_surface(trials)
    result = held_out(trials, repeats=1)
    assert surface is not None
    by_time = surface.model.probability(surface.encode_trials(judged), budget=surface.budget)
    by_kind = predict(result, judged)
    diverged = (judged["outcome"] == "diverged").to_numpy()
    return [float(((p > 0.5) == diverged).mean()) for p in (by_time, by_kind, (by_time + by_kind) / 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", help="name of the swept study; left out, only the random draws are judged")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    recorded = with_result(load_study("recorded:card"))
    lines = [
        "# Card by trials of the boundary sampler",
        "",
        f"Accuracy on recorded trials that the models have not seen, {len(recorded)} or the rest of these.",
        "",
    ]
    rows = []
    chosen = None
    if arguments.study:
        chosen = with_result(load_study(arguments.study)).sort_values("trial_number")
    for count in COUNTS:
        if chosen is not None and len(chosen) >= count:
            first = chosen.head(count)
            cells = []
            for accuracy in accuracies(first, recorded):
                low, high = proportion_confint(round(accuracy * len(recorded)), len(recorded), method="wilson")
                cells.append(f"{accuracy:.1%} ({low:.1%} to {high:.1%})")
            rows.append(_row("boundary sampler", first, cells))
        drawn = []
        for draw in range(DRAWS):
            some = recorded.sample(count, random_state=draw)
            drawn.append(accuracies(some, recorded.drop(index=some.index)))
        cells = [f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in _spread(np.array(drawn))]
        rows.append(_row("recorded, at random", some, cells))
        print(*map(markdown_row, rows[-2:]), sep="\n", flush=True)
    table = markdown_table(("trials", "how many", "diverged", "updates", *MODELS), rows)
    arguments.out.write_text("\n".join([*lines, table, ""]), encoding="utf-8")


def _row(name: str, trials: pd.DataFrame, cells: list[str]) -> tuple[object, ...]:
    diverged = (trials["outcome"] == "diverged").mean()
    return (name, len(trials), f"{diverged:.0%}", trials["updates"].sum(), *cells)


def _spread(accuracy: np.ndarray) -> list[tuple[float, float, float]]:
    """Mean, smallest and largest of each model."""
    return list(zip(accuracy.mean(axis=0), accuracy.min(axis=0), accuracy.max(axis=0), strict=True))


if __name__ == "__main__":
    main()
