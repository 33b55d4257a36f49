"""How well trials that the boundary sampler chose tell the outcome of card's recorded trials, which it has not seen.

    for seed in 40 41 42 43 44; do
        study sweep benchmarks/boundary_card.yaml --name card_boundary_$seed --seed $seed
    done
    python benchmarks/boundary_card.py [card_boundary_40 ...] [--draws 10] [--out benchmarks/boundary_card.md]

Each sweep trains 400 new trials, in about 5 minutes on two cores, and goes on when it is called again. What is said
here is by the number of trials, so that the sampler does not weigh their updates (`exploration: 0`). The trials of the
studies named are kept in `boundary_card.parquet`, which is read where none is named.

Of the first 100, 200, 300 and 400 trials of each sweep, models tell whether each of the 1,000 recorded trials of card
went to NaN: the time model of `study boundary`, a probit model of the outcomes alone
(`study.analysis.boundary.outcome_model`), the best of the kinds of `study.analysis.prediction`, and means of their
probabilities. Beside them stand as many of the recorded trials drawn at random, judged on the rest of them.

Which model to look at is told by `card_ceiling`, whose configurations are none of card's: fitted to one trial each of
some of them, drawn at random, the models tell the outcomes of the others, of eight seeds each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from study import load_study
from study.analysis.boundary.gaussian_process import Floats
from study.analysis.boundary.outcome_model import OutcomeModel
from study.analysis.boundary.time_surface import time_surface
from study.analysis.prediction.held_out import held_out, log_losses, predict
from study.analysis.predictors import configurations, with_result
from study.analysis.table import columns_of
from study.analysis.table_axes import axes_of
from study.trial.markdown import markdown_row, markdown_table

COUNTS = (100, 200, 300, 400)

CEILING_COUNTS, JUDGED = (150, 300), 240
"""Configurations of card_ceiling that models are fitted to: about as many as are not tanh of 200 and of 400 trials of
card. And those that they are judged on."""

CLOSEST = 1e-3
"""To 0 and 1 that a probability is taken to be, so that one trial does not decide on a model."""

MODELS = {
    "time model": ("time",),
    "outcome model": ("outcome",),
    "best kind": ("kind",),
    "mean of time and outcome": ("time", "outcome"),
    "mean of all three": ("time", "outcome", "kind"),
}
"""The models whose probabilities are averaged."""

CHOSEN = "mean of time and outcome"
"""Of these the one that card_ceiling tells to look at."""

SEEDS = 100_000
"""Seeds of the trials of a sweep, from its own times this on."""

KEPT = Path(__file__).with_suffix(".parquet")


def probabilities(trials: pd.DataFrame, judged: pd.DataFrame) -> list[Floats]:
    """P(NaN) of some trials, of each of `MODELS` fitted to others; each (judged,)."""
    surface, result = time_surface(trials), held_out(trials, repeats=1)
    assert surface is not None
    encoded = surface.encode_trials(judged)
    outcomes = OutcomeModel(surface.encode_trials(surface.trials), happened=_diverged(surface.trials))
    told = {
        "time": surface.model.probability(encoded, budget=surface.budget),
        "outcome": outcomes.probability(encoded),
        "kind": predict(result, judged),
    }
    return [np.mean([told[part] for part in parts], axis=0) for parts in MODELS.values()]


def accuracies(trials: pd.DataFrame, judged: pd.DataFrame) -> list[float]:
    """The share of some trials of which each of `MODELS`, fitted to others, is right."""
    return [_right(one, judged) for one in probabilities(trials, judged)]


def on_ceiling(draws: int) -> str:
    """Accuracy and log loss of the models on configurations of card_ceiling, as a table."""
    trials = with_result(load_study("recorded:card_ceiling"))
    trials = trials.assign(configuration=configurations(trials))
    rows = []
    for count in CEILING_COUNTS:
        found = []
        for draw in range(draws):
            # One seed of each configuration, in another order each time, then all seeds of those that are judged.
            some = trials.sample(frac=1, random_state=draw).drop_duplicates("configuration")
            judged = trials[trials["configuration"].isin(some["configuration"].tail(JUDGED))]
            fitted, judged = (one.drop(columns="configuration") for one in (some.head(count), judged))
            told = probabilities(fitted, judged)
            found.append([[measure(one, judged) for one in told] for measure in (_right, _loss)])
        right, loss = np.mean(found, axis=0)
        rows.append(("accuracy", count, *(f"{mean:.1%}" for mean in right)))
        rows.append(("log loss", count, *(f"{mean:.3f}" for mean in loss)))
        print(*map(markdown_row, rows[-2:]), sep="\n", flush=True)
    return markdown_table(("", "trials", *MODELS), rows)


def on_card(sweeps: pd.DataFrame, draws: int) -> tuple[str, str]:
    """Accuracy on card of the sweeps together and of random draws, and of each sweep, as tables."""
    card = with_result(load_study("recorded:card"))
    rows, each = [], []
    for count in COUNTS:
        firsts = [one.head(count).drop(columns="sweep") for _, one in sweeps.groupby("sweep")]
        by_sweep = [accuracies(first, card) for first in firsts]
        rows.append(_row(f"boundary sampler, {len(firsts)} sweeps", firsts, by_sweep))
        each.append((count, *(f"{row[list(MODELS).index(CHOSEN)]:.1%}" for row in by_sweep)))
        samples = [card.sample(count, random_state=draw) for draw in range(draws)]
        by_draw = [accuracies(some, card.drop(index=some.index)) for some in samples]
        rows.append(_row(f"recorded, at random, {draws} times", samples, by_draw))
        print(*map(markdown_row, rows[-2:]), sep="\n", flush=True)
    names = [f"seed {seed}" for seed in sorted(sweeps["sweep"].unique())]
    return (
        markdown_table(("trials", "how many", "diverged", "updates", *MODELS), rows),
        markdown_table(("trials", *names), each),
    )


def kept(studies: list[str]) -> pd.DataFrame:
    """The trials of the studies, in their order, with the sweep's seed as `sweep`; those kept where none is named."""
    if studies:
        tables = []
        for name in studies:
            table = with_result(load_study(name)).sort_values("trial_number")
            columns = [column.name for column in columns_of(axes_of(table)) if column.required]
            tables.append(table[columns].assign(sweep=table["seed"] // SEEDS))
        pd.concat(tables).to_parquet(KEPT, index=False)
    return pd.read_parquet(KEPT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", help="names of the swept studies [default: those kept]")
    parser.add_argument("--draws", type=int, default=10, help="of recorded trials, at random")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        ceiling = on_ceiling(arguments.draws)
        together, each = on_card(kept(arguments.studies), arguments.draws)
    parts = [
        "# Card by trials of the boundary sampler",
        "## Which model",
        f"On {JUDGED} configurations of card_ceiling with eight seeds each, by one trial each of others, drawn "
        f"{arguments.draws} times. None has tanh, and none is in card.",
        ceiling,
        "## On card",
        "Accuracy on the recorded trials of card, all 1,000 of them or those that were not drawn: the mean, and the "
        "smallest and largest.",
        together,
        f"Each sweep, by the {CHOSEN}:",
        each,
    ]
    arguments.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _diverged(trials: pd.DataFrame) -> np.ndarray:
    return trials["outcome"].eq("diverged").to_numpy(dtype=bool)


def _right(probability: Floats, judged: pd.DataFrame) -> float:
    return float(((probability > 0.5) == _diverged(judged)).mean())


def _loss(probability: Floats, judged: pd.DataFrame) -> float:
    return float(log_losses(np.clip(probability, CLOSEST, 1 - CLOSEST), _diverged(judged)).mean())


def _row(name: str, samples: list[pd.DataFrame], accuracy: list[list[float]]) -> tuple[object, ...]:
    diverged = np.mean([(one["outcome"] == "diverged").mean() for one in samples])
    updates = np.mean([one["updates"].sum() for one in samples])
    values = np.array(accuracy)
    cells = [
        f"{mean:.1%} ({low:.1%} to {high:.1%})"
        for mean, low, high in zip(values.mean(axis=0), values.min(axis=0), values.max(axis=0), strict=True)
    ]
    return (name, len(samples[0]), f"{diverged:.0%}", f"{updates:.0f}", *cells)


if __name__ == "__main__":
    main()
