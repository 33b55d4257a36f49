"""What helps, ranked: every remedy beside the same seeds of the model without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from study.claims.contrast import Claims, Contrast, Remedy
from study.claims.decision import CONTRADICTED, NO_DIFFERENCE, NOT_RESOLVED, SUPPORTED, share_interval
from study.claims.verdicts import verdicts
from study.trial.config import Semantics

HELPS, HARMS = "helps", "harms"
WORDS = {SUPPORTED: HELPS, CONTRADICTED: HARMS, NO_DIFFERENCE: NO_DIFFERENCE, NOT_RESOLVED: NOT_RESOLVED}
"""Verdict on `with it mostly later` -> what that says of a remedy."""

COLUMNS = (
    "semantics",
    "rank",
    "remedy",
    "statement",
    "verdict",
    "survived",
    "exploded",
    "trials",
    "low",
    "high",
    "survived_without",
    "trials_without",
    "gain",
    "gain_low",
    "gain_high",
    "median",
    "median_without",
    "successes",
    "observations",
    "p_adjusted",
    "arm",
    "beside",
    "budget",
    "note",
)
"""Of the table of remedies. `exploded` counts survivors with a loss far too large at some update; `low` and `high`
bound the share that survives (Clopper-Pearson, 95%); `gain` is the median over the seeds of the time with the remedy
over the time without it, in steps, missing where most survive, with its interval; `successes` of `observations` seeds
last longer with it."""


def ranked_remedies(claims: Claims, table: pd.DataFrame, *, semantics: Iterable[Semantics], seed: int) -> pd.DataFrame:
    """The remedies of a file against their trials, the best first: by survivors, then by the time gained.

    Whether one helps is the verdict on a contrast, that with it a trial mostly ends later; the remedies under one
    semantics are a family of their own for the correction.

    Args:
        claims: The file's remedies, at their scale.
        table: As for `study.claims.verdicts.verdicts`.
        semantics: As there.
        seed: As there.
    """
    held = replace(claims, contrasts=tuple(_as_contrast(remedy) for remedy in claims.remedies))
    found = verdicts(held, table, semantics=semantics, seed=seed)
    arms = found.arms.groupby(["semantics", "contrast"], sort=False)
    rows = []
    for row in found.contrasts.to_dict("records"):
        with_it, without = arms.get_group((row["semantics"], row["contrast"])).to_dict("records")
        survived = with_it["trials"] - with_it["diverged"]
        low, high = share_interval(survived, with_it["trials"])
        rows.append(
            {
                **{name: row[name] for name in ("semantics", "statement", "successes", "observations", "p_adjusted")},
                "remedy": row["contrast"],
                "note": row["note"],
                "verdict": WORDS[row["verdict"]],
                "survived": survived,
                "exploded": int(with_it["exploded"]),
                "trials": with_it["trials"],
                "low": low,
                "high": high,
                "survived_without": without["trials"] - without["diverged"],
                "trials_without": without["trials"],
                "gain": row["factor"],
                "gain_low": row["factor_low"],
                "gain_high": row["factor_high"],
                "median": with_it["median"],
                "median_without": without["median"],
                "arm": with_it["arm"],
                "beside": without["arm"],
                "budget": with_it["budget"],
            }
        )
    return _ranked(pd.DataFrame(rows))[list(COLUMNS)]


def _as_contrast(remedy: Remedy) -> Contrast:
    return Contrast(
        id=remedy.id,
        statement=remedy.statement,
        factor="remedy",
        against="",
        statistic="order",
        arms=remedy.arms,
        updates=remedy.updates,
        replicates=remedy.replicates,
        look=remedy.replicates,
        under=("keras-3", "keras-2.2.4"),
    )


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    # Where most survive no median is reached: the gain has no upper end.
    by = table.assign(
        share=table["survived"] / table["trials"].where(table["trials"] > 0, np.nan),
        most=table["gain"].fillna(np.inf),
        place=table["semantics"].map({name: place for place, name in enumerate(table["semantics"].unique())}),
    )
    by = by.sort_values(
        ["place", "share", "most", "gain_low"], ascending=[True, False, False, False], kind="stable", ignore_index=True
    )
    return by.assign(rank=by.groupby("semantics").cumcount() + 1)
