"""Does a hazard ratio stay the same from the first update to the last? The check of Cox's central assumption.

Sources: Grambsch and Therneau, Proportional hazards tests and diagnostics based on weighted residuals (1994): a
coefficient that changes with time as beta + gamma g(t) is tested by the score for gamma at 0. It is computed here with
the information of each update, as R's `cox.zph` does since version 3 of its survival package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from study.analysis.survival.likelihood import Numbers
from study.analysis.survival.partial_likelihood import PartialLikelihood

Scale = Literal["kaplan-meier", "log", "identity"]

GLOBAL = "all terms"


def proportional_hazards_test(
    likelihood: PartialLikelihood,
    coefficients: Numbers,
    *,
    terms: Sequence[str],
    survival: pd.DataFrame,
    scale: Scale = "kaplan-meier",
) -> pd.DataFrame:
    """Test that no coefficient changes with time.

    Args:
        likelihood: The partial likelihood of the trials.
        coefficients: Where it is largest.
        terms: Names of the coefficients.
        survival: Points of the Kaplan-Meier curve of all trials
            (`study.analysis.survival.kaplan_meier.SurvivalCurve.points`).
        scale: What g(t) is: 1 minus the Kaplan-Meier curve just before t (so that each divergence weighs about the
            same), log t, or t.

    Returns:
        One row a term and one of all together: `term`, `chi_square`, `degrees_of_freedom`, `p_value`.
    """
    parts = likelihood.contributions(coefficients)
    assert parts is not None
    if scale == "kaplan-meier":
        before = np.searchsorted(survival["time"].to_numpy(), parts.time, side="left") - 1
        scaled = 1 - survival["survival"].to_numpy()[before]
    else:
        scaled = np.log(parts.time) if scale == "log" else parts.time
    # g(t) counts from its mean over the events; with the full information below any constant gives the same test.
    scaled = scaled - scaled.mean()
    information = -parts.hessian
    plain = np.linalg.inv(information.sum(axis=0))
    cross = np.einsum("k,kpq->pq", scaled, information)
    score = scaled @ parts.gradient
    variance = np.einsum("k,kpq->pq", scaled**2, information) - cross @ plain @ cross
    single = score**2 / np.diag(variance)
    together = float(score @ np.linalg.solve(variance, score))
    size = len(coefficients)
    table = pd.DataFrame(
        {
            "term": [*terms, GLOBAL],
            "chi_square": [*single, together],
            "degrees_of_freedom": [*(1 for _ in range(size)), size],
        }
    )
    return table.assign(p_value=chi2.sf(table["chi_square"], table["degrees_of_freedom"]))
