"""Made-up results tables with a known boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def study(outcome: Any, **axes: Any) -> pd.DataFrame:
    """A results table of these outcomes (true: diverged) and axes."""
    diverged = np.asarray(outcome, dtype=bool)
    table = pd.DataFrame({"outcome": np.where(diverged, "diverged", "survived"), **axes})
    table.insert(0, "trial_number", np.arange(len(table)))
    return table


def logistic_study(
    generator: np.random.Generator, trials: int, *, slope: float = 6.0, critical: float = 1e-3
) -> pd.DataFrame:
    """Trials over learning rate and units: logit P = slope (log10(lr / critical) + log2(units / 16) / 4).

    At 16 units half of the trials diverge at the critical learning rate.
    """
    learning_rate = 10 ** generator.uniform(-4, -2, trials)
    units = generator.choice([4, 8, 16, 32, 64], trials)
    log_odds = slope * (np.log10(learning_rate / critical) + np.log2(units / 16) / 4)
    diverged = generator.random(trials) < 1 / (1 + np.exp(-log_odds))
    return study(diverged, learning_rate=learning_rate, units=units)


def card_study(generator: np.random.Generator, trials: int) -> pd.DataFrame:
    """Axes as in search_spaces/card.yaml, and an outcome that they determine.

    Diverged is what has an unbounded activation and a learning rate above a power law of the units, which is ten
    times higher with batch_norm=input. The front end itself and the dropout do nothing.
    """
    table = study(
        np.zeros(trials),
        activation=generator.choice(["relu", "elu", "tanh"], trials),
        learning_rate=10 ** generator.uniform(-4, -2, trials),
        units=generator.choice([8, 16, 32], trials),
        dropout=generator.uniform(0, 0.5, trials),
        front_end=generator.choice(["none", "conv1d"], trials),
    )
    conv = (table.front_end == "conv1d").to_numpy()
    table["front_end_activation"] = np.where(conv, "relu", "none")
    table["batch_norm"] = np.where(conv, generator.choice(["none", "input"], trials), "none")
    critical = 5e-4 * 16 / table.units * np.where(table.batch_norm == "input", 10, 1)
    table.loc[(table.activation != "tanh") & (table.learning_rate > critical), "outcome"] = "diverged"
    return table
