"""The page of a diagnosis, and its figure."""

from __future__ import annotations

import math
from typing import Any

import pytest

from study.diagnosis.result import Concluded, Diagnosis, Run, Tried
from study.models.onset import ModelOnset
from study.report.figures.remedies import MOST, remedies_figure
from study.report.pages.diagnosis import render
from study.trial.tensor_name import TensorName

NAN = math.nan
ONSET = ModelOnset(update=3, phase="forward", layer="lstm", what=TensorName(role="cell_state"), value="inf")
CAUSE = Concluded(id="unbounded_recurrence", weight=0.9, sentence="The state <grows>.", evidence=("by 1.2 a step",))
ALSO = Concluded(id="learning_rate_too_high", weight=0.5, sentence="Or the rate is high.", evidence=("it rose",))


def tried(change: str, *losses: tuple[float, ...], why: str | None = None) -> Tried:
    runs = tuple(Run(loss=loss, diverged=not math.isfinite(loss[-1])) for loss in losses)
    return Tried(id=change, change=change, size=1, runs=runs, why=why, budget=3)


def found(**changed: Any) -> Diagnosis:
    known: dict[str, Any] = {
        "diverged": True,
        "loss": (1.0, 200.0, NAN),
        "onset": ONSET,
        "cause": CAUSE,
        "also": (ALSO,),
        "remedies": (
            tried("activation tanh", (1.0, 0.5, 0.2), (1.0, 0.6, 0.3)),
            tried("clipnorm=1", (1.0, 90.0, NAN), (1.0, 0.9, 0.8)),
            tried("line 3: sqrt", why="it is a line that only its author can change"),
        ),
    }
    return Diagnosis(**known | changed)


def test_the_page_says_cause_change_evidence_and_every_remedy_and_needs_nothing_from_outside() -> None:
    page = render(found(), title="m.py")
    for words in (
        "The state &lt;grows&gt;.",
        "What to change: activation tanh. All 2 seeds then stayed finite.",
        "by 1.2 a step",
        "Or the rate is high.",
        "1 of 2",
        "it is a line that only its author can change",
    ):
        assert words in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_a_page_without_a_remedy_that_held_promises_none() -> None:
    page = render(found(remedies=found().remedies[1:]), title="m.py")
    assert "What to change" not in page
    assert "No change that was run held with every seed." in page


def test_a_healthy_model_has_a_page_with_what_was_measured() -> None:
    page = render(
        found(diverged=False, onset=None, cause=None, also=(), remedies=(), healthy="Nothing stopped."), title="m.py"
    )
    assert "Nothing stopped." in page
    assert "What was tried" not in page


def test_every_panel_has_a_line_a_seed_and_all_have_one_scale() -> None:
    figure = remedies_figure(found()).figure
    assert figure is not None
    unchanged, tanh, clipped = [axes for axes in figure.axes if axes.get_visible()]
    assert list(unchanged.lines[0].get_ydata()) == [1.0, 200.0]
    assert [list(line.get_ydata()) for line in tanh.lines] == [[1.0, 0.5, 0.2], [1.0, 0.6, 0.3]]
    crosses = [line for line in clipped.lines if line.get_marker() == "x"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in crosses] == [([2], [90.0])]
    assert unchanged.get_ylim() == tanh.get_ylim() == clipped.get_ylim()
    assert {axes.get_yscale() for axes in (unchanged, tanh, clipped)} == {"log"}


def test_an_explosion_leaves_the_panels_so_that_what_held_is_no_flat_line() -> None:
    """The largest loss of a training that held is 1; the panels end at 1000 times that."""
    drawing = remedies_figure(found(loss=(1.0, 1e30, NAN)))
    assert drawing.figure is not None
    unchanged, *_ = drawing.figure.axes
    assert unchanged.get_ylim()[1] == pytest.approx(1000)
    (cross,) = [line for line in unchanged.lines if line.get_marker() == "x"]
    assert (list(cross.get_xdata()), list(cross.get_ydata())) == ([2], [1000.0])
    assert "Losses above 1e+03 are beyond the panels" in drawing.caption
    assert "beyond the panels" not in remedies_figure(found()).caption


@pytest.mark.parametrize(
    "loss", [(NAN,), (-5.0, -5000.0), (0.0, 0.0)], ids=["nothing finite", "negative", "nothing but 0"]
)
def test_a_figure_is_drawn_of_any_losses(loss: tuple[float, ...]) -> None:
    drawing = remedies_figure(found(loss=loss, remedies=()))
    assert drawing.data_uri


def test_remedies_that_are_not_drawn_are_counted() -> None:
    many = remedies_figure(found(remedies=[tried(f"r{number}", (1.0, 0.5)) for number in range(MOST + 2)]))
    assert "2 more are in the table" in many.caption
