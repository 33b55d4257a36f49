"""The tables of claims and remedies that the README shows, as Markdown: `python -m study.report.claims_markdown`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.claims.show import survivors
from study.report.tables import load_remedies, load_verdicts
from study.trial.markdown import markdown_table

SHOWN = "recorded:claims-small"
"""The study that the README shows."""


def claims_table(contrasts: pd.DataFrame) -> str:
    """One row a contrast: what is claimed, its quantifier, and the verdict under each semantics.

    Args:
        contrasts: As `study.report.tables.load_verdicts` gives them.
    """
    under = list(contrasts["semantics"].unique())
    rows = []
    for contrast, found in contrasts.groupby("contrast", sort=False):
        cells = {row["semantics"]: _verdict(row) for row in found.to_dict("records")}
        first = found.iloc[0]
        rows.append(
            (f"{contrast} {first['statement']}", first["quantifier"], *(cells.get(one, "not asked") for one in under))
        )
    return markdown_table(("claim", "", *under), rows)


def remedies_table(remedies: pd.DataFrame) -> str:
    """One row a remedy, in the order of the first semantics: who survives, and the time gained in steps.

    Args:
        remedies: As `study.report.tables.load_remedies` gives them.
    """
    under = list(remedies["semantics"].unique())
    rows = []
    for _, found in remedies.groupby("remedy", sort=False):
        first = found.iloc[0]
        cells = (cell for row in found.to_dict("records") for cell in (_survivors(row), _gain(row)))
        rows.append((f"{first['rank']}. {first['statement']}", *cells))
    header = (name for one in under for name in (f"{one}: survive", "time gained"))
    return markdown_table(("remedy", *header), rows)


def _verdict(row: Mapping[Any, Any]) -> str:
    # The quantifier has a column of its own.
    found = str(row["finding"]).removeprefix(f"{row['quantifier']}: ")
    return found if found.startswith(row["verdict"]) else f"{row['verdict']}: {found}"


def _survivors(row: Mapping[Any, Any]) -> str:
    return survivors(row) if row["trials"] else "no trials yet"


def _gain(row: Mapping[Any, Any]) -> str:
    low, high = row["gain_low"], row["gain_high"]
    if math.isnan(low) or (low <= 0 and math.isinf(high)):
        return "-"
    if math.isnan(row["gain"]) or math.isinf(high):
        return f"{low:.2g} or more"
    # By the words of its verdict where the factor alone does not show that it helps.
    verdict = "" if row["verdict"] == "helps" else f", {row['verdict']}"
    return f"{row['gain']:.2g} ({low:.2g} to {high:.2g}){verdict}"


if __name__ == "__main__":
    contrasts, _ = load_verdicts(SHOWN)
    print(claims_table(contrasts), remedies_table(load_remedies(SHOWN)), sep="\n\n")
