"""Verdicts and remedies on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from study.claims.contrast import Contrast
from study.claims.decision import VERDICTS
from study.claims.verdicts import Verdicts

INDENT = 6
STYLES = {
    "supported": "green",
    "contradicted": "red",
    "no difference": "cyan",
    "not resolved": "yellow",
    "not tested here": "yellow",
    "helps": "green",
    "harms": "red",
}


def show(found: Verdicts, chosen: Iterable[Contrast], *, console: Console) -> None:
    """Print the verdicts on the chosen contrasts, semantics by semantics, and the counts by claim."""
    ids = {contrast.id for contrast in chosen}
    for under, rows in found.contrasts[found.contrasts["contrast"].isin(ids)].groupby("semantics", sort=False):
        console.print(f"\nClaims under {under}", style="bold", highlight=False)
        for row in rows.to_dict("records"):
            arms = found.arms[(found.arms["semantics"] == under) & (found.arms["contrast"] == row["contrast"])]
            console.print(_headline(row))
            console.print(Padding(_details(row, arms), (0, 0, 0, INDENT)))
        counts = found.claims[(found.claims["semantics"] == under) & found.claims["claim"].isin(set(rows["claim"]))]
        tally = ", ".join(f"{(counts['verdict'] == verdict).sum()} {verdict}" for verdict in VERDICTS)
        console.print(f"{len(counts)} claims under {under}: {tally}", style="bold", highlight=False)
    console.print(
        "\nk of n: of n trials or seeds, k are cases, in the arm that decides; with the bound tested or the 95% "
        "interval of the share; factor: of the first arm's time over the second's, in steps, the median over seeds; p: "
        "after Holm's correction, over all contrasts of the file; median: of the time to NaN, by arm",
        style="dim",
        highlight=False,
    )


def _headline(row: Mapping[Any, Any]) -> Text:
    return Text.assemble(
        f"{row['contrast']:<{INDENT}}",
        (f"{row['verdict']:<17}", STYLES[row["verdict"]]),
        row["finding"],
        "" if not row["p"] else f", p {row['p_adjusted']:.2g}",
    )


def _details(row: Mapping[Any, Any], arms: pd.DataFrame) -> Text:
    medians = [
        f"{arm['arm']}: {'-' if pd.isna(arm['median']) else format(arm['median'], 'g')}"
        for arm in arms.to_dict("records")
    ]
    return Text.assemble(row["statement"], (f" Median {'; '.join(medians)}." if medians else "", "dim"))


def show_remedies(ranked: pd.DataFrame, *, console: Console) -> None:
    """Print the remedies, the best first, semantics by semantics."""
    for under, rows in ranked.groupby("semantics", sort=False):
        console.print(f"\nRemedies under {under}", style="bold", highlight=False)
        for row in rows.to_dict("records"):
            console.print(
                Text.assemble(
                    f"{row['rank']:>2}  ",
                    (f"{row['verdict']:<14}", STYLES[row["verdict"]]),
                    f"{row['statement']}: {survivors(row)} survive ({row['survived_without']} of "
                    f"{row['trials_without']} without), {gain(row)}",
                    (f" [{row['note']}]" if row["note"] else "", "yellow"),
                )
            )


def survivors(row: Mapping[Any, Any]) -> str:
    """How many survive with a remedy, and of how many of them the loss exploded.

    Args:
        row: Of `study.claims.remedies.ranked_remedies`.
    """
    told = f"{row['survived']} of {row['trials']}"
    return f"{told} ({row['exploded']} exploded)" if row["exploded"] else told


def gain(row: Mapping[Any, Any]) -> str:
    """The time gained with a remedy, in words.

    Args:
        row: Of `study.claims.remedies.ranked_remedies`.
    """
    low, high = row["gain_low"], row["gain_high"]
    if math.isnan(low) or (low <= 0 and math.isinf(high)):
        return "time gained not known"
    # A curve that few trials end has a median by chance; without an upper end there is none to tell.
    if math.isnan(row["gain"]) or math.isinf(high):
        return f"at least {low:.2g} times the steps"
    return f"{row['gain']:.3g} times the steps ({low:.3g} to {high:.3g})"
