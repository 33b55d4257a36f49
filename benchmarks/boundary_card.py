"""How well trials that the boundary sampler chose tell the outcome of card's recorded trials, which it has not seen.

    study sweep benchmarks/boundary_card.yaml --name card_boundary --seed 40
    python benchmarks/boundary_card.py card_boundary [--out benchmarks/boundary_card.md]

The sweep trains 400 new trials, about a second each on two cores, and goes on when it is called again. Of its first
100, 200, 300 and 400 trials, models tell whether each of the 1,000 recorded trials of card went to NaN: the time model
of `study boundary`, a probit model of the outcomes alone (`study.analysis.boundary.outcome_model`), the best of the
kinds of `study.analysis.prediction`, and means of their probabilities. The one that is chosen has the least log loss on
trials left out among those that it is fitted to, and has not seen what it is judged on. Beside them stand as many of
the recorded trials drawn at random, judged on the rest of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from study import load_study
from study.analysis.boundary.outcome_model import OutcomeModel
from study.analysis.boundary.time_surface import time_surface
from study.analysis.prediction.held_out import held_out, log_losses, predict
from study.analysis.predictors import with_result
from study.trial.markdown import markdown_row, markdown_table

COUNTS = (100, 200, 300, 400)

CLOSEST = 1e-3
"""To 0 and 1 that a left-out probability is taken to be, so that one trial does not decide on a model."""

MODELS = {
    "time model": ("time",),
    "outcome model": ("outcome",),
    "best kind": ("kind",),
    "mean of time and outcome": ("time", "outcome"),
    "mean of all three": ("time", "outcome", "kind"),
}
"""The models whose probabilities are averaged."""


def accuracies(trials: pd.DataFrame, judged: pd.DataFrame) -> list[float]:
    """Of `MODELS` fitted to some trials, on others, and of the one that is chosen."""
    surface, result = time_surface(trials), held_out(trials, repeats=1)
    assert surface is not None
    assert result.scores is not None
    happened, diverged = (one["outcome"].eq("diverged").to_numpy(dtype=bool) for one in (surface.trials, judged))
    encoded = surface.encode_trials(judged)
    outcomes = OutcomeModel(surface.encode_trials(surface.trials), happened=happened)
    told = {
        "time": surface.model.probability(encoded, budget=surface.budget),
        "outcome": outcomes.probability(encoded),
        "kind": predict(result, judged),
    }
    left_out = {
        "time": surface.model.left_out(budget=surface.budget),
        "outcome": outcomes.left_out(),
        "kind": result.scores.probability[0],
    }
    right, losses = [], []
    for parts in MODELS.values():
        right.append(float(((np.mean([told[part] for part in parts], axis=0) > 0.5) == diverged).mean()))
        mean = np.mean([left_out[part] for part in parts], axis=0)
        losses.append(float(log_losses(np.clip(mean, CLOSEST, 1 - CLOSEST), happened).mean()))
    return [*right, right[int(np.argmin(losses))]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", help="name of the swept study; left out, only the random draws are judged")
    parser.add_argument("--draws", type=int, default=10, help="of recorded trials, at random")
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
        for draw in range(arguments.draws):
            some = recorded.sample(count, random_state=draw)
            drawn.append(accuracies(some, recorded.drop(index=some.index)))
        if drawn:
            cells = [f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in _spread(np.array(drawn))]
            rows.append(_row(f"recorded, at random, {len(drawn)} times", some, cells))
        print(*map(markdown_row, rows[-2:]), sep="\n", flush=True)
    table = markdown_table(("trials", "how many", "diverged", "updates", *MODELS, "chosen by trials left out"), rows)
    arguments.out.write_text("\n".join([*lines, table, ""]), encoding="utf-8")


def _row(name: str, trials: pd.DataFrame, cells: list[str]) -> tuple[object, ...]:
    diverged = (trials["outcome"] == "diverged").mean()
    return (name, len(trials), f"{diverged:.0%}", trials["updates"].sum(), *cells)


def _spread(accuracy: np.ndarray) -> list[tuple[float, float, float]]:
    """Mean, smallest and largest of each model."""
    return list(zip(accuracy.mean(axis=0), accuracy.min(axis=0), accuracy.max(axis=0), strict=True))


if __name__ == "__main__":
    main()
