from __future__ import annotations

import numpy as np
import pytest

from study.analysis.prediction.held_out import caption, held_out
from study.analysis.prediction.replicates import Replicates, best_accuracy, replicates, sentence
from tests.analysis.boundary.studies import logistic_study


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
    assert found == Replicates(pairs=39, alike=37)
    assert sentence(found).startswith("Of 39 configurations two seeds end alike in 95% (83% to 99%), so no model of")


def test_one_seed_run_twice_is_no_pair() -> None:
    table = logistic_study(np.random.default_rng(1), 10)
    table["outcome"] = "diverged"
    table["seed"] = 1
    tripled = table.loc[np.repeat(np.arange(10), 3)].reset_index(drop=True)
    assert replicates(tripled) is None
    tripled["outcome"] = tripled["outcome"].astype(object)
    tripled.loc[2, ["seed", "outcome"]] = 2, "survived"
    assert replicates(tripled) == Replicates(pairs=1, alike=0)


def test_the_caption_of_a_fit_says_what_seeds_leave_to_chance() -> None:
    table = logistic_study(np.random.default_rng(2), 60)
    assert "two seeds" not in caption(held_out(table, repeats=1))
    doubled = table.loc[np.repeat(np.arange(60), 2)].reset_index(drop=True)
    doubled["seed"] = np.arange(120)
    found = replicates(doubled)
    assert found is not None
    assert caption(held_out(doubled, repeats=1)).endswith(sentence(found))
