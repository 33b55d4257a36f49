"""Differences of survival: how many more trials are still finite at the budget, group against group."""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter

from study.analysis.survival.differences import SurvivalDifferences, points
from study.report.figures.drawing import BLUE, GREY, PALE, VERMILION, Drawing, new_figure, styled


def differences_figure(found: SurvivalDifferences, *, failed: int = 0, name: str = "survival_differences") -> Drawing:
    """Differences from each axis's first group with their intervals.

    Args:
        found: Of `study.analysis.survival.differences.survival_differences`.
        failed: Trials left out since they have no result.
        name: Of the drawing.
    """
    rows = found.contrasts
    if rows.empty or found.survived in (0, found.trials):
        why = "no axis varies" if rows.empty else "all trials end alike"
        return Drawing(name=name, caption=f"No differences of survival: {why}.")
    with styled():
        figure = new_figure(0.75 + 0.27 * len(rows))
        axes = figure.subplots()
        for place, row in enumerate(rows.to_dict("records")):
            low, high, difference = row["difference_low"], row["difference_high"], row["difference"]
            colour = GREY if low <= 0 <= high else BLUE if difference > 0 else VERMILION
            axes.plot([low, high], [place, place], "|-", color=colour, markersize=7)
            axes.plot(difference, place, "s", color=colour, markersize=6)
            axes.text(
                1.02, place, f"{points(difference)} ({points(low)} to {points(high)})", va="center",
                fontsize=9, transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        axes.axvline(0, color=GREY, linewidth=1, zorder=0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [f"{row.axis}: {row.group}, not {row.baseline}" for row in rows.itertuples()])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: points(value)))
        axes.grid(True, axis="x", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"percentage points more trials {found.divergence.words.still} after update {found.horizon}")
    counts = f"n = {found.trials}, {found.trials - found.survived} diverged, {found.survived} survived"
    counts += f", {failed} failed" if failed else ""
    return Drawing(
        name=name,
        caption=f"Differences between the shares of trials that are still {found.divergence.words.still} after update "
        f"{found.horizon}, which every trial could reach, with {found.confidence:.0%} intervals; the other axes as the "
        f"study drew them. {counts}.",
        figure=figure,
    )
