"""Interactive plots, as data and in a browser that has no network."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from playwright.sync_api import sync_playwright

from study.report.pages.plots import render
from study.report.plots.as_study import as_study
from study.report.plots.plots import plots
from study.report.plots.time_scale import TimeScale
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.report.studies import made_up_study

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def few_trials() -> pd.DataFrame:
    """NaN at update 10 and 50, and two survivors of 60."""
    return results_table(
        [10, 50, math.inf, math.inf],
        learning_rate=[1e-2, 1e-3, 1e-3, 1e-4],
        units=[8, 16, 8, 16],
        activation=["relu", "relu", "tanh", "relu"],
    )


def test_survivors_stand_above_every_time_and_the_scale_says_so() -> None:
    table = few_trials()
    scale = TimeScale.of(table)
    places = scale.places(table)
    assert places[:2] == pytest.approx([1, math.log10(50)])
    assert (places[2:] > math.log10(60)).all()
    assert scale.ticks[1] == ["1", "2", "5", "10", "20", "50", "survived"]


def test_optuna_sees_the_axes_that_vary_and_times_with_survivors_beyond_their_budget() -> None:
    study = as_study(few_trials())
    assert study.trials[0].params == {"activation": "relu", "learning_rate": 1e-2, "units": 8}
    assert study.trials[2].value > math.log10(60)
    assert study.trials[0].distributions["learning_rate"] == FloatDistribution(1e-4, 1e-2, log=True)


def test_censored_trials_have_a_mark_of_their_own_at_their_budget() -> None:
    found = {plot.name: plot.figure for plot in plots(few_trials())}
    diverged, survived = found["times"].data
    assert list(diverged.y) == [10, 50]
    assert list(survived.y) == [60, 60]
    assert diverged.marker.symbol != survived.marker.symbol
    assert survived.name == "survived: later than this (2)"


def test_survivors_have_a_colour_that_no_time_has() -> None:
    line = {plot.name: plot.figure for plot in plots(few_trials())}["parallel"].data[0].line
    scale = TimeScale.of(few_trials())
    # Plotly draws the lines of larger numbers over others: the soonest last.
    assert list(line.color) == pytest.approx(list(scale.survived - scale.places(few_trials())))
    start = (scale.survived - math.log10(60)) / scale.survived
    grey = line.colorscale[0]
    assert grey[0] == 0
    assert [colour for place, colour in line.colorscale if place >= start].count(grey[1]) == 0
    assert (line.cmin, line.cmax) == (0, pytest.approx(scale.survived))


def test_a_study_of_one_axis_has_no_contour_and_one_without_any_is_refused() -> None:
    table = results_table([10, 50, math.inf, 20], learning_rate=[1e-2, 1e-3, 1e-4, 3e-3])
    assert "contour" not in [plot.name for plot in plots(table)]
    with pytest.raises(UserError, match=r"^the results table: has no plots; "):
        plots(results_table([10, 50]))


def test_the_surface_of_a_large_study_is_of_some_of_its_trials_and_the_points_of_all() -> None:
    draw = np.random.default_rng(0)
    rate = 10 ** draw.uniform(-4, -2, 400)
    table = results_table(0.02 / rate, learning_rate=rate, recurrent_dropout=draw.uniform(0, 0.5, 400))
    contour = {plot.name: plot for plot in plots(table)}["contour"]
    surface, *points = contour.figure.data
    assert len(surface.x) < 200
    assert sum(len(trace.x) for trace in points) == 400
    assert "(160 of the 400)" in contour.caption


def test_the_page_opens_offline_with_every_plot_drawn_and_the_list_changes_the_axis(tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("no Chromium")
    found = plots(made_up_study())
    html = render(found, study="<made> up", report="made.html")
    assert html.count("plotly.js v") <= 2  # the script is there once
    page_file = tmp_path / "made-plots.html"
    page_file.write_text(html, encoding="utf-8")
    asked: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri(), timeout=120_000)
        for plot in found:
            drawn = page.locator(f"#{plot.name} .main-svg").first
            drawn.wait_for(timeout=60_000)
            assert drawn.bounding_box()["width"] > 800
        before = page.locator("#times .xtitle").text_content()
        page.evaluate(
            "Plotly.update('times', ...document.getElementById('times').layout.updatemenus[0].buttons[1].args)"
        )
        after = page.locator("#times .xtitle").text_content()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1200
        browser.close()
    assert before != after
    assert errors == []
    assert [url for url in asked if not re.match("(file|data|blob):", url)] == []
