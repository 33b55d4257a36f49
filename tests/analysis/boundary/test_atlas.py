from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.boundary.atlas import atlas
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table

RATES, DROPOUTS = np.geomspace(1e-3, 1e-1, 30), np.linspace(0, 0.9, 28)


def grid_of(*seeds: int) -> pd.DataFrame:
    """NaN at update 1 + 0.3 / rate + the seed, whatever the dropout: sooner than the budget of 60 from 0.3 / 59 on."""
    dropout, rate, seed = (part.ravel() for part in np.meshgrid(DROPOUTS, RATES, seeds, indexing="ij"))
    return results_table(1 + 0.3 / rate + seed, learning_rate=rate, recurrent_dropout=dropout, seed=seed)


def test_a_pixel_is_a_trial_at_its_place() -> None:
    found = atlas(grid_of(1), x="learning_rate", y="recurrent_dropout")
    assert (found.x_values == RATES).all()
    assert (found.y_values == DROPOUTS).all()
    times = np.ceil(2 + 0.3 / RATES)
    assert (found.mean_time == np.minimum(times, 60)).all()
    assert (found.diverged() == (times <= 60)).all()
    assert (found.diverged(within=20) == (times <= 20)).all()
    assert (found.seeds, found.budget) == (1, 60)


def test_of_several_seeds_a_survivor_counts_with_its_budget() -> None:
    found = atlas(grid_of(1, 5, 30), x="learning_rate", y="recurrent_dropout")
    times = np.ceil([[1 + 0.3 / rate + seed for seed in (1, 5, 30)] for rate in RATES])
    assert found.mean_time[0] == pytest.approx(np.minimum(times, 60).mean(axis=1))
    assert (found.diverged()[0] == ((times <= 60).sum(axis=1) >= 2)).all()
    assert found.seeds == 3


def test_an_upright_edge_has_dimension_one() -> None:
    found = atlas(grid_of(1), x="learning_rate", y="recurrent_dropout")
    for within in (None, 30):
        assert found.dimension(within=within).dimension == pytest.approx(1, abs=0.05)


def test_a_grid_with_holes_is_refused_in_a_sentence() -> None:
    table = grid_of(1).drop(index=[5, 40])
    with pytest.raises(UserError) as told:
        atlas(table, x="learning_rate", y="recurrent_dropout")
    assert str(told.value) == (
        "learning_rate by recurrent_dropout: 2 of 840 places of the grid lack a trial with a result; "
        "a picture takes a study of a whole grid"
    )
