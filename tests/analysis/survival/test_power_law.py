from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.survival.power_law import power_law
from tests.analysis.made_up_trials import results_table


def bent_at(knot: float, *, below: float, above: float, seed: int = 0) -> pd.DataFrame:
    """Steps that go with one exponent below a learning rate and with another above it."""
    draw = np.random.default_rng(seed)
    rate = np.tile([1e-4, 3e-4, 1e-3, 3e-3], 16)
    exponent = np.where(rate <= knot, below, above)
    steps = 20 * (rate / knot) ** exponent * draw.lognormal(0, 0.1, 64)
    return results_table(1 + steps, budget=2000, learning_rate=rate, seed=np.repeat(np.arange(16), 4))


def test_one_exponent_is_found_in_every_part_and_the_law_called_pure() -> None:
    found = power_law(bent_at(1e-3, below=-1.0, above=-1.0))
    assert found.parts["from"].tolist() == [1e-4, 3e-4, 1e-3]
    assert found.parts["to"].tolist() == [3e-4, 1e-3, 3e-3]
    assert ((found.parts["low"] < -1) & (found.parts["high"] > -1)).all()
    assert not found.bent
    assert found.answer.startswith("The data do not show that the exponent of learning_rate changes (p = ")


@pytest.mark.parametrize("within", [None, "seed"])
def test_an_exponent_that_changes_is_told_part_by_part(within: str | None) -> None:
    found = power_law(bent_at(1e-3, below=-1.0, above=-0.6), within=within)
    assert found.bent
    assert found.parts["exponent"].tolist() == pytest.approx([-1.0, -1.0, -0.6], abs=0.1)
    assert found.parts["high"].iloc[1] < found.parts["low"].iloc[2]
    assert found.answer.startswith("No pure power law of learning_rate (p ")


def test_where_the_shape_cannot_be_told_the_answer_says_why() -> None:
    for table, says in [
        (results_table([9, 7, 5], units=[8, 16, 32]), "does not vary"),
        (results_table([9, 7, 5, 6], learning_rate=[1e-3, 2e-3] * 2), "too few values"),
        (results_table([9, 7, 5, 3], learning_rate=[1e-3, 2e-3, 4e-3, 8e-3]), "cannot be told"),
    ]:
        found = power_law(table)
        assert says in found.answer
        assert found.parts.empty
        assert not found.bent
