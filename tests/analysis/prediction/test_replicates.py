from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.prediction.held_out import caption, held_out
from study.analysis.prediction.replicates import best_accuracy, replicates, sentence
from tests.analysis.boundary.studies import logistic_study
from tests.analysis.made_up_trials import results_table


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_the_bound_is_reached_where_all_configurations_diverge_with_one_probability(chance: float) -> None:
    assert best_accuracy(chance**2 + (1 - chance) ** 2) == pytest.approx(max(chance, 1 - chance))


def test_no_model_that_knows_the_probabilities_beats_the_bound() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        chances = generator.beta(*generator.uniform(0.2, 3, size=2), size=1000)
        alike = np.mean(chances**2 + (1 - chances) ** 2)
        assert np.mean(np.maximum(chances, 1 - chances)) <= best_accuracy(alike) + 1e-12


def test_pairs_are_the_first_two_trials_of_each_configuration_that_have_a_result() -> None:
    table = logistic_study(np.random.default_rng(1), 40)
    outcomes = np.array(["diverged"] * 40, dtype=object)
    table["outcome"] = outcomes
    assert replicates(table) is None
    doubled = table.loc[np.repeat(np.arange(40), 2)].reset_index(drop=True)
    doubled["seed"] = np.arange(80)
    doubled["outcome"] = doubled["outcome"].astype(object)
    doubled.loc[[1, 3], "outcome"] = "survived"
    doubled.loc[4, "outcome"] = "failed"
    found = replicates(doubled)
    assert found is not None
    assert (found.configurations, found.seeds, found.estimate) == (39, 2, None)
    assert found.alike == found.least == pytest.approx(37 / 39)
    assert found.most == best_accuracy(37 / 39)
    assert sentence(found).startswith(
        "Of 39 configurations with 2 seeds, two seeds of one end alike in 95% (83% to 99%), so"
    )


def test_one_seed_run_twice_is_no_pair() -> None:
    table = logistic_study(np.random.default_rng(1), 10)
    table["outcome"] = "diverged"
    table["seed"] = 1
    tripled = table.loc[np.repeat(np.arange(10), 3)].reset_index(drop=True)
    assert replicates(tripled) is None
    tripled["outcome"] = tripled["outcome"].astype(object)
    tripled.loc[2, ["seed", "outcome"]] = 2, "survived"
    found = replicates(tripled)
    assert found is not None
    assert (found.configurations, found.seeds, found.alike) == (1, 2, 0)


def test_the_caption_of_a_fit_says_what_seeds_leave_to_chance() -> None:
    table = logistic_study(np.random.default_rng(2), 60)
    assert "two seeds" not in caption(held_out(table, repeats=1))
    doubled = table.loc[np.repeat(np.arange(60), 2)].reset_index(drop=True)
    doubled["seed"] = np.arange(120)
    found = replicates(doubled)
    assert found is not None
    assert caption(held_out(doubled, repeats=1)).endswith(sentence(found))


def repeated(chances: np.ndarray, seeds: int, draw: np.random.Generator) -> pd.DataFrame:
    """Configurations that diverge with these probabilities, each with some seeds."""
    died = draw.random((len(chances), seeds)) < chances[:, None]
    rate = np.repeat(np.geomspace(1e-5, 1e-1, len(chances)), seeds)
    time = np.where(died.ravel(), 5, np.inf)
    return results_table(time, learning_rate=rate, seed=np.tile(np.arange(seeds), len(chances)))


@pytest.mark.parametrize("shape", ["spread", "at one half"])
def test_from_eight_seeds_the_ceiling_is_known_to_within_two_points_of_its_interval(shape: str) -> None:
    draw = np.random.default_rng(0)
    estimates, inside, bounds = [], [], []
    for _ in range(15):
        kinds = draw.random(128)
        if shape == "spread":
            chances = np.where(kinds < 0.25, 0.0, draw.beta(0.4, 0.4, 128))
        else:
            chances = np.where(kinds < 0.4, 0.0, np.where(kinds < 0.7, 0.5, 0.9))
        found = replicates(repeated(chances, 8, draw))
        assert found is not None
        assert found.estimate is not None
        truth = np.maximum(chances, 1 - chances).mean()
        estimates.append(found.estimate - truth)
        inside.append(found.low - 0.02 <= truth <= found.high + 0.02)
        bounds.append((found.least - truth, found.most - truth))
    assert abs(np.mean(estimates)) < 0.02
    assert all(inside)
    assert np.mean([least for least, _ in bounds]) < 0 < np.mean([most for _, most in bounds])


def test_of_failed_seeds_the_configurations_that_have_most_trials_between_them_count() -> None:
    table = repeated(np.full(20, 0.5), 8, np.random.default_rng(1))
    table["outcome"] = table["outcome"].astype(object)
    table.loc[:2, ["outcome", "time_to_nan", "updates"]] = "failed", pd.NA, pd.NA
    found = replicates(table)
    assert found is not None
    assert (found.configurations, found.seeds) == (19, 8)
    assert "the best model of the axes would be right in" in sentence(found)
