"""Verdicts on claims: the share of what goes the claim's way, with its interval, a contrast a row."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from study.report.figures.drawing import BLUE, GREEN, GREY, INK, PALE, VERMILION, Drawing, new_figure, styled

LOOKS = {
    "supported": (BLUE, "o"),
    "contradicted": (VERMILION, "X"),
    "no difference": (GREEN, "D"),
    "not resolved": (GREY, "s"),
    "not tested here": (GREY, "P"),
}
WAYS = {"always": ">", "never": "<", "ever": ">", "mostly": ">"}
"""Quantifier -> the claim's side of its threshold."""


def claims_figure(contrasts: pd.DataFrame, *, name: str = "claims") -> Drawing:
    """Every contrast's deciding share with its interval, and the threshold that it is tested against.

    Args:
        contrasts: `study.claims.verdicts.Verdicts.contrasts`.
        name: Of the drawing.
    """
    shown = contrasts[contrasts["observations"] > 0]
    if shown.empty:
        return Drawing(name=name, caption="No figure of the claims: there are no trials that a contrast could count.")
    versions = list(dict.fromkeys(shown["semantics"]))
    rows = {contrast: row for row, contrast in enumerate(dict.fromkeys(shown["contrast"]))}
    with styled():
        figure = new_figure(1.2 + 0.25 * len(rows))
        panels = figure.subplots(1, len(versions), sharey=True, squeeze=False)[0]
        for axes, semantics in zip(panels, versions, strict=True):
            for row in shown[shown["semantics"] == semantics].to_dict("records"):
                place = rows[row["contrast"]]
                colour, marker = LOOKS[row["verdict"]]
                axes.plot([row["low"], row["high"]], [place, place], color=colour)
                axes.plot(row["share"], place, marker, color=colour, markersize=7, markeredgecolor="white")
                axes.plot(row["threshold"], place, "|", color=INK, markersize=9)
                way = WAYS[row["quantifier"]]
                axes.plot(row["threshold"] + (-0.018 if way == "<" else 0.018), place, way, color=INK, markersize=3)
            _finish(axes, semantics)
        panels[0].set_yticks(list(rows.values()), list(rows))
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        handles = [
            Line2D([], [], marker=marker, color=colour, markeredgecolor="white", markersize=7, label=verdict)
            for verdict, (colour, marker) in LOOKS.items()
        ]
        handles.append(Line2D([], [], marker="|", color="none", markeredgecolor=INK, markersize=9, label="threshold"))
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
    counts = ", ".join(f"{(contrasts['verdict'] == verdict).sum()} {verdict}" for verdict in LOOKS)
    caption = (
        "Each contrast's share of trials or seeds, in the arm that decides, with its 95% interval; the tick is the "
        "threshold of its quantifier (90% always, 10% never and ever, one half mostly) and points to the claim's side. "
        f"One counterexample speaks against always and never, one case for ever. {len(contrasts)} contrasts: {counts}."
    )
    return Drawing(name=name, caption=caption, figure=figure)


def _finish(axes: Axes, semantics: str) -> None:
    axes.set_title(semantics)
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
