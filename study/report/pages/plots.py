"""The interactive plots of a study as one HTML page that opens offline.

They are a page of their own, since the script that draws them is 5 MB: a report, which is kept with every study, is a
fifth of that and has no script.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from study.report.pages.template import template
from study.report.plots.plot import Plot

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


def render(found: Sequence[Plot], *, study: str, report: str = "") -> str:
    """The page.

    Args:
        found: Of `study.report.plots.plots.plots`.
        study: Its name.
        report: Address of the report; empty for none.
    """
    from plotly.offline import get_plotlyjs

    drawn = [
        (
            plot,
            Markup(plot.figure.to_html(full_html=False, include_plotlyjs=False, div_id=plot.name, config=CONFIG)),
        )
        for plot in found
    ]
    return template("plots.html.j2").render(study=study, report=report, plots=drawn, script=Markup(get_plotlyjs()))
