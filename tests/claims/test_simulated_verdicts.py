"""Verdicts on trials drawn as a trial is: S steps in continuous time, and the loss of update n = 1 + ceil(S) is the
first that is not finite, or the trial survives where n is above its budget (`study.analysis.survival.clock`)."""

from __future__ import annotations

import gc

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import binom

from study.claims.contrast import Arm, Claims, Contrast, label_of, trials_of
from study.claims.verdicts import verdicts
from tests.claims.test_verdicts import table_of

STUDIES = 40
SEEDS = 24
BUDGET = 100


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The correction of statsmodels collects garbage at every call, which takes most of the time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def claims() -> Claims:
    arms = tuple(Arm(label=label_of(values), values=values) for values in ({"units": 16}, {"units": 32}))
    order = Contrast(
        id="C6",
        statement="The more units, mostly the sooner.",
        factor="units",
        against="Later.",
        statistic="order",
        arms=arms,
        updates=BUDGET,
        replicates=SEEDS,
        look=SEEDS,
        under=("keras-3",),
    )
    return Claims(
        scale="small",
        about="a test",
        alpha=0.05,
        bound=0.1,
        equivalence=0.1,
        contrasts=(order,),
        remedies=(),
        source="test.yaml",
    )


def shares(factor: float, *, scatter: float) -> dict[str, float]:
    """How often each verdict is reached where the first arm lasts for `factor` times the steps of the second.

    The median of the steps is 30 in the second arm, with a lot that both arms of a seed share, and some of each one's.
    """
    asked = claims()
    trials = trials_of(asked.contrasts, semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda _: 1)
    first = (table["units"] == 16).to_numpy()
    place = (table["seed"] - table["seed"].min()).to_numpy(dtype=int)
    draw = np.random.default_rng(20261126)
    counts: dict[str, float] = {}
    for _ in range(STUDIES):
        shared = 0.3 * draw.standard_normal(SEEDS)[place]
        own = scatter * draw.standard_normal(len(table))
        steps: npt.NDArray[np.float64] = 30 * np.where(first, factor, 1) * np.exp(shared + own)
        update = 1 + np.ceil(steps)
        table["time_to_nan"] = pd.array(update.astype(int), dtype="Int64")
        table.loc[update > BUDGET, "time_to_nan"] = pd.NA
        table["outcome"] = np.where(update <= BUDGET, "diverged", "survived")
        verdict = verdicts(asked, table, semantics=["keras-3"], seed=0).contrasts["verdict"][0]
        counts[verdict] = counts.get(verdict, 0) + 1 / STUDIES
    return counts


def most(rate: float) -> float:
    """More than this share of the studies is seen once in a thousand times where the rate is this."""
    return float(binom.ppf(0.999, STUDIES, rate)) / STUDIES


def test_a_factor_of_one_is_taken_for_an_order_no_more_often_than_alpha_and_mostly_found_to_be_none() -> None:
    found = shares(1, scatter=0.03)
    assert found.get("supported", 0) + found.get("contradicted", 0) <= most(0.05)
    assert found["no difference"] > 0.9


@pytest.mark.parametrize("factor", [1 / 0.9, 0.9])
def test_a_factor_at_the_edge_of_the_equivalence_is_no_difference_no_more_often_than_alpha(factor: float) -> None:
    found = shares(factor, scatter=0.03)
    assert found.get("no difference", 0) <= most(0.05)
    wrong = "contradicted" if factor > 1 else "supported"
    assert wrong not in found


def test_a_factor_of_a_half_is_found_though_each_time_scatters_by_a_third() -> None:
    """P(first < second) = Phi(log 2 / (sqrt(2) / 3)) = 0.93, and 18 of 24 of a sign test are enough."""
    assert binom.sf(17, SEEDS, 0.5) * 2 < 0.05
    assert shares(0.5, scatter=1 / 3)["contradicted"] > 0.95
