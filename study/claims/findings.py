"""What a contrast came to, in words with its quantifier: `never: 0 of 68, below 10%`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from study.claims.contrast import Claims
from study.claims.decision import CONTRADICTED, NO_DIFFERENCE, NOT_TESTED, SUPPORTED


def finding(row: Mapping[Any, Any], claims: Claims) -> str:
    """The finding of a row of `study.claims.verdicts.Verdicts.contrasts`.

    Args:
        row: With everything but its finding.
        claims: The file that it is of.
    """
    if row["verdict"] == NOT_TESTED or (row["note"] and not row["observations"]):
        return str(row["note"])
    cases, n = row["successes"], row["observations"]
    told = f"{row['quantifier']}: {cases} of {n}" if n else f"{row['quantifier']}: no seed goes either way"
    if row["verdict"] == NO_DIFFERENCE:
        return (
            f"no difference: within {claims.equivalence:.0%} in {row['within']} of {row['pairs']} seeds{_factor(row)}; "
            f"in the claim's order {cases} of {n}"
        )
    shown = row["verdict"] in (SUPPORTED, CONTRADICTED)
    if shown and not cases and row["quantifier"] in ("never", "ever"):
        told += f", below {claims.bound:.0%}"
    elif shown and cases == n and row["quantifier"] == "always":
        told += f", above {1 - claims.bound:.0%}"
    elif n:
        told += f" ({row['low']:.0%} to {row['high']:.0%})"
    return told + _factor(row) + (f" [{row['note']}]" if row["note"] else "")


def _factor(row: Mapping[Any, Any]) -> str:
    low, high = row["factor_low"], row["factor_high"]
    if not row["pairs"] or (low <= 0 and math.isinf(high)):
        return ""
    if math.isinf(high):
        return f"; by a factor of {low:.3g} or more"
    if math.isnan(row["factor"]):
        return f"; by a factor of {low:.3g} to {high:.3g}"
    return f"; by a factor of {row['factor']:.3g} ({low:.3g} to {high:.3g})"
