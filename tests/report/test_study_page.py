from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from playwright.sync_api import Browser, sync_playwright

from study.analysis.findings import boundary_axes, findings
from study.analysis.prediction.importance import Importance
from study.report.pages.study import Provenance, render, report_of
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.report.studies import FAILED, TRIALS, found, made_up_study

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """What a page shows and what it asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [value for name in ("href", "src") if (value := values.get(name))]
        if tag == "img":
            self.pictures.append(values["alt"] or "")
        if identifier := values.get("id"):
            self.ids.append(identifier)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def html() -> str:
    return render(report_of(found()), Provenance(study="made up"))


def test_a_report_asks_for_nothing_from_outside(html: str) -> None:
    page = Page(html)
    assert {
        address for address in page.addresses if not address.startswith(("data:image/svg+xml;base64,", "#"))
    } == set()
    assert not re.search(r"@import|url\(|<script|<link", html)


def test_a_report_has_every_part_and_each_figure_with_its_caption(html: str) -> None:
    page = Page(html)
    for part in ("answers", "ran", "when", "hazards", "law", "where", "importance", "onset", "examples"):
        assert part in page.ids
    for figure in ("survival_activation", "hazard_ratios", "survival_differences", "time_ratios", "steps_to_nan",
                   "phase_diagram", "critical_value", "calibration", "importance", "timeline", "growth"):  # fmt: skip
        assert f"figure-{figure}" in page.ids
    assert len(page.ids) == len(set(page.ids))
    text = " ".join(page.text.split())
    assert len(page.pictures) >= 10
    assert all(" ".join(caption.replace("`", "").split()) in text for caption in page.pictures)


def test_the_answers_stand_at_the_top_in_sentences(html: str) -> None:
    text = " ".join(Page(html).text.split())
    places = [text.index(answer.replace("`", "")) for answer in found().answers]
    assert places == sorted(places)
    assert places[-1] < text.index("What ran")


def test_the_boundary_is_told_with_its_held_out_accuracy_and_calibration(html: str) -> None:
    (caption,) = (caption for caption in Page(html).pictures if caption.startswith("P(NaN within the budget) over"))
    assert "held-out accuracy" in caption
    assert "Calibration slope" in caption


def test_failed_trials_are_counted_with_their_reason_and_nothing_in_a_table_is_taken_for_html(html: str) -> None:
    assert f"its worker &lt;died&gt; ({FAILED})" in html
    assert "<died>" not in html


def test_a_report_says_how_the_study_ran_and_links_the_pages_of_its_trials() -> None:
    report = report_of(found())
    plain = Page(render(report, Provenance(study="made up")))
    run = next(name for name in re.findall(r"run\d\d", plain.text))
    told = render(
        report,
        Provenance(
            study="<made> up", about="To see.", facts={"command": "study sweep card", "machine": "two cores"},
            space="updates: 60", pages={run: "../pages/anatomy.html"},
        ),
    )  # fmt: skip
    page = Page(told)
    assert "../pages/anatomy.html" in page.addresses
    for words in ("<made> up", "To see.", "study sweep card", "two cores", "updates: 60"):
        assert words in page.text


def test_verdicts_on_claims_are_shown_where_there_are_any(html: str) -> None:
    assert "claims" not in Page(html).ids
    row = {
        "contrast": "C5", "statement": "With tanh it does not diverge.", "semantics": "keras-3",
        "verdict": "contradicted",
        "observations": 26, "successes": 20, "share": 20 / 26, "low": 0.56, "high": 0.91, "threshold": 0.25,
        "quantifier": "never", "finding": "never: 20 of 26 (56% to 91%)", "p_adjusted": 0.001,
    }  # fmt: skip
    page = Page(render(report_of(found()), Provenance(study="claims-small", claims=pd.DataFrame([row]))))
    assert "claims" in page.ids
    for words in ("With tanh it does not diverge.", "contradicted", "20 of 26"):
        assert words in page.text


RATES = 10 ** np.random.default_rng(8).uniform(-4, -2, 40)
DEGENERATE = {
    "none diverged": (results_table([math.inf] * 40, learning_rate=RATES), "None of the 40 trials diverged"),
    "all diverged": (results_table(0.02 / RATES, budget=1000, learning_rate=RATES), "All of the 40 trials diverged"),
    "three trials": (results_table([3, math.inf, 9], learning_rate=[1e-3, 1e-4, 1e-2]), "2 of the 3 trials diverged"),
    "two trials": (results_table([3, math.inf], learning_rate=[1e-2, 1e-3], units=[8, 16]), "1 of the 2 trials"),
    "failed only": (results_table([3, 4, 5], failed=(0, 1, 2)), "No trial has a result (3 failed)"),
    "one trial": (results_table([3]), "The one trial diverged"),
    "no trials": (results_table([]), "There are no trials"),
    "seeds only": (results_table(np.arange(1, 31) * 4.0, seed=np.arange(30)), "No axis varies"),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_study_that_shows_nothing_gives_words(name: str) -> None:
    table, words = DEGENERATE[name]
    page = Page(render(report_of(findings(table)), Provenance(study=name)))
    text = " ".join(page.text.split())
    assert words in text
    assert "nan" not in re.sub(r"NaN|\w*_to_nan\w*", "", text).lower().split()
    if name in ("none diverged", "failed only", "one trial", "no trials"):
        assert page.pictures == []
    assert not [caption for caption in page.pictures if caption.startswith("P(NaN within")]


def test_where_all_trials_diverged_their_times_show_the_boundary_of_a_smaller_budget() -> None:
    table = results_table(0.05 / RATES, budget=1000, learning_rate=RATES)
    page = Page(render(report_of(findings(table)), Provenance(study="slow")))
    (shown,) = [caption for caption in page.pictures if caption.startswith("P(NaN within")]
    assert shown.startswith("P(NaN within 250 updates) = 0.5 at learning_rate = ")


def test_what_is_no_results_table_is_refused() -> None:
    with pytest.raises(UserError, match="lacks the columns"):
        findings(pd.DataFrame({"outcome": ["diverged"]}))


def test_boundaries_are_looked_for_along_axes_with_many_values_and_the_preferred_ones_first() -> None:
    table = results_table(
        np.arange(1, 13), learning_rate=np.geomspace(1e-4, 1e-2, 12), dropout=np.linspace(0, 0.5, 12),
        units=[8, 16, 32] * 4, activation=["relu", "tanh"] * 6,
    )  # fmt: skip
    assert boundary_axes(table, Importance(axes=(), words="")) == ("learning_rate", "dropout", "units")
    assert found().axes[0] == "learning_rate"
    assert set(found().axes) == {"learning_rate", "recurrent_dropout"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1280, 800, 420])
def test_a_report_fits_the_window_and_its_figures_load(html: str, browser: Browser, width: int, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth ? image.clientWidth : 0)")
    assert len(widths) == len(Page(html).pictures)
    # Wide enough to be read: as wide as the window allows, up to a README's 830 pixels.
    assert min(widths) >= min(width - 60, 780)
    page.close()


def test_the_counts_of_a_report_are_those_of_the_table(html: str) -> None:
    table = made_up_study()
    text = re.sub(r"\s+", " ", Page(html).text)
    for name, number in (
        ("trials", TRIALS),
        ("diverged", (table["outcome"] == "diverged").sum()),
        ("survived (censored)", (table["outcome"] == "survived").sum()),
        ("failed (no result)", FAILED),
    ):
        assert f"{name}{number} " in text
    assert "tasknoise: labels have nothing to do with the inputs" in text


def test_a_report_says_which_tasks_were_trained_on() -> None:
    table = results_table([3, 5, math.inf, 4], task=["noise", "learnable", "noise", "learnable"])
    text = re.sub(r"\s+", " ", Page(render(report_of(findings(table)), Provenance(study="both"))).text)
    assert "tasklearnable: labels by a fixed random teacher of the sequence; noise: labels have nothing" in text


def test_predictions_that_are_no_better_than_the_commoner_outcome_are_not_praised() -> None:
    draw = np.random.default_rng(4)
    chance = results_table(np.where(draw.random(24) < 0.5, 5, np.inf), dropout=draw.uniform(0, 0.5, 24))
    answers = " ".join(findings(chance).answers)
    assert "is not shown to tell its outcome" in answers
    assert "with an accuracy of" not in answers
    assert "tells its outcome with an accuracy of" in " ".join(found().answers)


def test_a_report_says_at_which_event_its_trials_end_and_which_survivors_exploded() -> None:
    """In every sentence, caption and label: of a study that ends at a loss above 10 nothing is told as NaN."""
    table = made_up_study().assign(divergence="loss_above=10")
    survived = table.index[table["outcome"] == "survived"]
    table.loc[survived[:4], "exploded"] = True
    report = report_of(findings(table))
    text = Page(render(report, Provenance(study="made up"))).text
    assert "a loss above 10 or not finite" in text
    assert "but of 4 of these the loss exploded: it was above 10 at some update" in text
    assert "of these exploded" in text
    drawings = [drawing for section in report.sections for drawing in section.drawings]
    labels = [
        text.get_text()
        for drawing in drawings
        if drawing.figure is not None
        for text in drawing.figure.findobj(match=Text)
        if isinstance(text, Text)
    ]
    assert any("P(loss above 10 within the budget)" in label for label in labels)
    for words in (text, *labels, *(drawing.caption for drawing in drawings)):
        assert "NaN" not in words
    assert any("still at or below 10" in label for label in labels)
