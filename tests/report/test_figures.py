from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from scipy.stats import fisk, lognorm, weibull_min

from study.analysis.boundary.atlas import Atlas, atlas
from study.analysis.boundary.critical_value import critical_values
from study.analysis.boundary.phase_diagram import phase_diagram
from study.analysis.findings import findings
from study.analysis.onsets import onsets
from study.analysis.survival.accelerated_failure_time import accelerated_failure_time
from study.analysis.survival.cox import cox
from study.analysis.survival.first_update import first_update
from study.analysis.survival.kaplan_meier import kaplan_meier, survival_curve
from study.analysis.survival.scaling import scaling
from study.analysis.survival.two_parts import two_parts
from study.report.figures.atlas import SURVIVED_COLOUR, TIMES, atlas_figure
from study.report.figures.claims import claims_figure
from study.report.figures.critical import critical_figure
from study.report.figures.differences import differences_figure
from study.report.figures.drawing import DIVERGED, Drawing
from study.report.figures.forest import hazard_figure, odds_figure, time_ratio_figure
from study.report.figures.onset import growth_figure, onset_figure, timeline_figure
from study.report.figures.phase import phase_figure, shows_fit
from study.report.figures.prediction import calibration_figure, importance_figure
from study.report.figures.scaling import median_time, scaling_figure, typical
from study.report.figures.survival import survival_figure, trials_at_risk, two_parts_figure
from study.trial.config import AXES
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.report.studies import AT_ONCE, DISTANCE, FAILED, TRIALS, found, made_up_study


def drawn(drawing: Drawing) -> Figure:
    assert drawing.figure is not None, drawing.caption
    return drawing.figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")) if text.get_text()]


def every_drawing() -> list[Drawing]:
    study = found()
    failed = study.survival.failed
    return [
        two_parts_figure(study.survival.parts["activation"], failed=failed),
        hazard_figure(study.survival.hazard_ratios, failed=failed),
        odds_figure(first_update(study.table, axes=["activation"]), failed=failed),
        differences_figure(study.survival.differences, failed=failed),
        time_ratio_figure(study.scaling.law, failed=failed),
        scaling_figure(study.scaling),
        phase_figure(study.panels, failed=failed),
        critical_figure(study.table, study.critical),
        calibration_figure(study.held_out),
        importance_figure(study.importance, study.held_out),
        onset_figure(study.onsets),
        timeline_figure(study.table),
        growth_figure(study.table),
    ]


def test_every_figure_has_labelled_axes_and_a_caption_with_trials_censored_and_failed() -> None:
    for drawing in every_drawing():
        assert re.search(r"n = \d+", drawing.caption), drawing.name
        assert re.search(r"\d+ (censored|survived)", drawing.caption), drawing.name
        assert f"{FAILED} failed" in drawing.caption, drawing.name
        assert any(axes.get_xlabel() for axes in drawn(drawing).axes), drawing.name


def test_a_figure_is_the_same_svg_every_time_and_needs_nothing_from_outside() -> None:
    drawing = survival_figure(kaplan_meier(made_up_study(), by="activation"))
    again = survival_figure(kaplan_meier(made_up_study(), by="activation"))
    assert drawing.data_uri == again.data_uri
    svg = base64.b64decode(drawing.data_uri.partition(",")[2])
    addresses = {
        value
        for element in ElementTree.fromstring(svg).iter()
        for name, value in element.attrib.items()
        if name.endswith("href") and not value.startswith(("#", "data:"))
    }
    assert addresses == set()


def test_a_png_is_as_wide_as_a_readme(tmp_path: Path) -> None:
    path = survival_figure(kaplan_meier(made_up_study())).save(tmp_path, dpi=100)
    width = int.from_bytes(path.read_bytes()[16:20], "big")  # the IHDR chunk of a PNG starts with the width
    assert width == 830


def test_what_cannot_be_drawn_is_not_written(tmp_path: Path) -> None:
    nothing = survival_figure(kaplan_meier(results_table([math.inf] * 5)))
    assert nothing.figure is None
    with pytest.raises(UserError, match="no trial diverged"):
        nothing.save(tmp_path)


def test_trials_at_risk_are_those_that_neither_diverged_nor_were_censored_before() -> None:
    curve = survival_curve([2, 4, 4, 6, 9], [True, True, False, True, False])
    assert [trials_at_risk(curve.points, update) for update in (0, 2, 3, 4, 5, 6, 7, 9, 10)] == [
        5, 5, 4, 4, 2, 2, 1, 1, 0,
    ]  # fmt: skip


def test_survival_curves_mark_censored_trials_where_they_are() -> None:
    figure = drawn(survival_figure(kaplan_meier(results_table([2, 3, math.inf, 5, math.inf], budget=8))))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "+"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in marks] == [([8.0], [pytest.approx(2 / 5)])]


def test_trials_at_update_1_stand_beside_the_curves_of_the_others_and_in_none() -> None:
    time = [1, 1, 3, math.inf, 4, 6, math.inf, 5]
    drawing = two_parts_figure(
        two_parts(results_table(time, budget=8, stateful=[False] * 4 + [True] * 4), by="stateful")
    )
    left, right, *_ = drawn(drawing).axes
    points = [float(line.get_ydata()[0]) for line in left.lines if line.get_marker() != "None"]
    assert points == [2 / 4, 0]
    curve = right.lines[0]
    assert (curve.get_label(), curve.get_ydata()[0], curve.get_ydata()[-1]) == ("false (1 of 2)", 1.0, 0.5)
    assert "n = 8, 2 diverged at update 1, 4 diverged later, 2 censored" in drawing.caption


def test_a_caption_of_hazard_ratios_says_so_where_hazards_are_not_proportional() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(300) % 2
    time = 20 * rng.exponential(size=300) ** np.where(group, 0.25, 1)
    model = cox(results_table(time, units=np.where(group, 16, 8)))
    assert "Hazards are not proportional (chi-square" in hazard_figure(model).caption


def test_a_hazard_ratio_that_the_data_do_not_bound_is_an_arrow_and_no_point() -> None:
    # Nothing of tanh diverges, so its hazard ratio has an upper end and no estimate.
    model = cox(made_up_study(), axes=["activation"])
    axes = drawn(hazard_figure(model)).axes[0]
    markers = [line.get_marker() for line in axes.lines]
    assert "<" in markers
    assert "s" not in markers
    assert any(text.get_text().startswith("no estimate") for text in axes.texts)


@pytest.mark.parametrize(
    ("distribution", "median"),
    [
        ("weibull", lambda location, scale: weibull_min(1 / scale, scale=math.exp(location)).median()),
        ("log-normal", lambda location, scale: lognorm(scale, scale=math.exp(location)).median()),
        ("log-logistic", lambda location, scale: fisk(1 / scale, scale=math.exp(location)).median()),
    ],
)
def test_the_median_of_a_law_is_that_of_its_distribution(distribution: str, median: object) -> None:
    rows = pd.DataFrame(
        {
            "axis": ["learning_rate", "layers", "activation"],
            "level": [None, None, "selu"],
            "coefficient": [-1.1, -0.3, 0.5],
        }
    )
    trials = results_table([math.inf])
    law = replace(
        accelerated_failure_time(trials),
        time_ratios=rows, intercept=2.0, scale=0.7, distribution=distribution,
    )  # fmt: skip
    # At twice the minimal example's learning rate, 4e-4, two layers and selu.
    location = 2.0 - 1.1 * math.log(2) - 0.3 * 2 + 0.5
    at = {"learning_rate": 8e-4, "layers": 2, "activation": "selu"}
    assert median_time(law, at, trials=trials) == pytest.approx(median(location, 0.7))  # type: ignore[operator]
    of_relu = median_time(law, {**at, "activation": "relu"}, trials=trials)
    assert of_relu == pytest.approx(median(location - 0.5, 0.7))  # type: ignore[operator]


def test_the_fitted_median_finds_the_made_up_law() -> None:
    of = scaling(made_up_study())
    for rate in (1e-3, 3e-3):
        median = median_time(of.law, {"recurrent_dropout": 0.25, "learning_rate": rate}, trials=of.trials)
        assert median == pytest.approx(DISTANCE / rate, rel=0.15)


def test_the_scaling_figure_tells_of_the_trials_that_its_law_is_not_of() -> None:
    drawing = scaling_figure(scaling(made_up_study()))
    assert f"{AT_ONCE} of the" in drawing.caption
    assert "activation tanh, of which none diverged" in drawing.caption


def test_a_typical_value_is_one_that_was_tried() -> None:
    assert typical(pd.Series([8, 8, 16, 64], dtype="Int64"), AXES["units"]) == 8
    assert typical(pd.Series([1e-4, 1e-3, 1e-2]), AXES["learning_rate"]) == 1e-3
    assert typical(pd.Series(["none", "conv1d", "conv1d"]), AXES["front_end"]) == "conv1d"
    assert typical(pd.Series([pd.NA, pd.NA], dtype="Float64"), AXES["clipnorm"]) is None


def test_a_phase_diagram_has_a_cross_for_each_divergence_and_a_contour_only_where_there_is_a_fit() -> None:
    study = found()
    figure = drawn(phase_figure(study.panels))
    for panel, axes in zip(study.panels, figure.axes, strict=False):
        points = [part for part in axes.collections if isinstance(part, PathCollection)]
        died = [part for part in points if part.get_facecolor()[0] == pytest.approx(hex_colour(DIVERGED), abs=0.01)]
        assert sum(len(part.get_offsets()) for part in died) == panel.trial_diverged.sum()
        assert sum(len(part.get_offsets()) for part in points) == len(panel.trial_x)
        contours = [part for part in axes.collections if isinstance(part, QuadContourSet)]
        assert bool(contours) == shows_fit(panel)
    assert [shows_fit(panel) for panel in study.panels] == [True, False]


def hex_colour(text: str) -> list[float]:
    return [*(int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)), 1.0]


def test_a_contour_that_may_be_chance_is_not_drawn() -> None:
    draw = np.random.default_rng(3)
    table = results_table(
        np.where(draw.random(30) < 0.5, 5, np.inf), learning_rate=10 ** draw.uniform(-4, -2, 30),
        recurrent_dropout=draw.uniform(0, 0.5, 30),
    )  # fmt: skip
    panel = phase_diagram(table, x="learning_rate", y="recurrent_dropout")
    assert panel.fitted
    assert not shows_fit(panel)
    assert "fitted P(NaN within the budget)" not in texts(drawn(phase_figure([panel])))


def test_a_critical_value_is_drawn_where_it_is_with_arrows_where_its_interval_is_open() -> None:
    study = found()
    axes = drawn(critical_figure(study.table, study.critical)).axes[0]
    diamonds = [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D"]
    assert diamonds == [value.value for value in study.critical if value.value is not None]
    assert any("none diverged" in text.get_text() for text in axes.texts)


def test_critical_values_of_a_study_without_groups_are_one() -> None:
    (value,) = critical_values(made_up_study(), axis="learning_rate")
    assert value.trials == TRIALS - FAILED


def test_reliability_points_are_those_of_the_held_out_trials() -> None:
    result = found().held_out
    assert result.scores is not None
    axes = drawn(calibration_figure(result)).axes[0]
    x, y = axes.containers[0][0].get_data()
    assert list(x) == list(result.scores.reliability.predicted)
    assert list(y) == list(result.scores.reliability.observed)


def test_the_onset_figure_counts_trials_by_tensor() -> None:
    study = found()
    words = texts(drawn(onset_figure(study.onsets)))
    assert "sum before the input gate" in words
    assert f" {study.survival.diverged}" in words


def test_a_study_without_the_columns_of_onset_and_growth_gives_words() -> None:
    table = results_table([3, 5, math.inf])
    for drawing in (onset_figure(onsets(table)), timeline_figure(table), growth_figure(table)):
        assert drawing.figure is None
        assert "recorded" in drawing.caption


@pytest.mark.parametrize(("cells", "state"), [(["lstm"] * 3, "c"), (["lstm", "gru", "gru"], "h")])
def test_the_growth_figure_is_of_a_state_that_all_cells_have(cells: list[str], state: str) -> None:
    table = results_table([3, 5, math.inf], cell=cells)
    table["hidden_growth"], table["cell_growth"] = 0.1, [0.2 if cell == "lstm" else math.nan for cell in cells]
    drawing = growth_figure(table)
    assert f"growth of max |{state}| over the sequence" in drawn(drawing).axes[0].get_xlabel()
    assert "n = 3, 2 diverged, 1 censored" in drawing.caption


@pytest.mark.parametrize("time", [[math.inf] * 30, [], [3.0]], ids=["none diverged", "no trials", "one trial"])
def test_where_there_is_nothing_to_see_there_is_no_figure(time: list[float]) -> None:
    rate = 10 ** np.random.default_rng(1).uniform(-4, -2, len(time))
    table = results_table(time, learning_rate=rate, recurrent_dropout=np.linspace(0, 0.5, len(time)))
    study = findings(table)
    drawings = [
        two_parts_figure(study.survival.overall),
        hazard_figure(study.survival.hazard_ratios),
        odds_figure(study.survival.first),
        differences_figure(study.survival.differences),
        time_ratio_figure(study.scaling.law),
        scaling_figure(study.scaling),
        critical_figure(table, study.critical),
        calibration_figure(study.held_out),
        importance_figure(study.importance, study.held_out),
        onset_figure(study.onsets),
        *([phase_figure(study.panels)] if study.panels else []),
    ]
    for drawing in drawings:
        assert drawing.figure is None, drawing.name
        assert drawing.caption.endswith("."), drawing.caption


def test_claims_without_trials_give_words_and_others_a_mark_at_their_share() -> None:
    row = {
        "contrast": "C1", "semantics": "keras-3", "verdict": "supported", "observations": 16, "successes": 12,
        "share": 0.75, "low": 0.48, "high": 0.93, "threshold": 0.5, "quantifier": "mostly",
    }  # fmt: skip
    assert claims_figure(pd.DataFrame([{**row, "observations": 0}])).figure is None
    figure = drawn(claims_figure(pd.DataFrame([row, {**row, "contrast": "C2", "observations": 0}])))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [float(np.ravel(line.get_xdata())[0]) for line in marks] == [0.75]


def picture(*seeds: int, low: float = 1e-3, high: float = 1e-1) -> Atlas:
    """NaN at update 1 + 0.3 / rate + the seed; the budget is 60."""
    rates, rate_count = np.geomspace(low, high, 30), 30
    dropout, rate, seed = (
        part.ravel() for part in np.meshgrid(np.linspace(0, 0.9, rate_count), rates, seeds, indexing="ij")
    )
    table = results_table(1 + 0.3 / rate + seed, learning_rate=rate, recurrent_dropout=dropout, seed=seed)
    return atlas(table, x="learning_rate", y="recurrent_dropout")


def test_an_atlas_shows_times_as_colour_and_survivors_as_none() -> None:
    whole = picture(1)
    figure = drawn(atlas_figure(whole, zoom=picture(1, low=4e-3, high=8e-3), seeds=picture(2, 3, 4)))
    first, second, third, roughness = figure.axes[:4]
    assert [axes.get_title(loc="left") for axes in (first, second, third)] == [
        "one seed",
        "the frame at left, one seed",
        "mean of 3 seeds",
    ]
    (mesh,) = [part for part in first.collections if isinstance(part, QuadMesh)]
    shown = np.ma.masked_array(mesh.get_array()).reshape(30, 30)
    assert (np.ma.getmaskarray(shown) == ~whole.diverged()).all()
    assert (shown[0].compressed() == whole.mean_time[0][whole.diverged()[0]]).all()
    assert first.get_facecolor() == to_rgba(SURVIVED_COLOUR)
    # An upright edge, at every budget at which it is away from the picture's own edge.
    whole_line = roughness.containers[0].lines[0]
    assert list(whole_line.get_xdata())[-3:] == [20, 50, 60]
    assert whole_line.get_ydata()[-3:] == pytest.approx([1] * 3, abs=0.05)


def test_the_colours_of_an_atlas_keep_their_order_in_grey_and_end_far_from_white() -> None:
    # Luminance by ITU-R BT.709, of colours without their gamma.
    colours = np.array([TIMES(share)[:3] for share in np.linspace(0, 1, 64)])
    grey = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(grey) < 0).all()
    # A contrast of 4.5 to 1 with white is what WCAG 2.1 asks of text.
    assert 1.05 / (grey[-1] + 0.05) > 4.5


def test_an_atlas_of_one_seed_alone_says_what_its_pixels_are() -> None:
    drawing = atlas_figure(picture(1))
    assert drawing.caption.startswith(
        "Each pixel is a trial, 30 by 30: its colour is the update of NaN, white trials survived their 60 updates. "
        "Dimension of the edge by box counting: of the whole 1.0"
    )
    assert len([axes for axes in drawn(drawing).axes if axes.get_visible()]) == 3  # the colours' scale is one
