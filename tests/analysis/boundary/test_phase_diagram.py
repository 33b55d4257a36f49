from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.boundary.critical_value import critical_value
from study.analysis.boundary.phase_diagram import phase_diagram, phase_panels
from study.trial.errors import UserError
from tests.analysis.boundary.studies import logistic_study, study


def grid_study(generator: np.random.Generator, *, replicates: int, slope: float = 5.0) -> pd.DataFrame:
    """The grid of search_spaces/lr_by_units.yaml; half of the trials diverge on its diagonal."""
    learning_rate, units = np.meshgrid(np.geomspace(1e-4, 1e-2, 9), [4, 8, 16, 32, 64])
    learning_rate, units = (np.repeat(axis.ravel(), replicates) for axis in (learning_rate, units))
    log_odds = slope * (np.log10(learning_rate / 1e-3) + np.log2(units / 16) / 2)
    return study(generator.random(len(units)) < 1 / (1 + np.exp(-log_odds)), learning_rate=learning_rate, units=units)


def test_the_band_holds_a_point_of_the_contour_in_95_percent_of_studies() -> None:
    generator = np.random.default_rng(8)
    studies = 500
    inside, above = np.zeros(5), np.zeros((5, 5))
    for _ in range(studies):
        table = grid_study(generator, replicates=2)
        diagram = phase_diagram(table, x="learning_rate", y="units", points=5)
        # Row: units from 4 to 64. Column: learning rate from 1e-4 to 1e-2. The truth is 1/2 where they add up to 4.
        inside += diagram.band[np.arange(5), 4 - np.arange(5)]
        above += diagram.above_half > 0.975
    assert 0.93 <= inside.mean() / studies <= 0.97
    assert (inside / studies >= 0.92).all()
    # Where P is truly 1/2 or less, it is taken to be more in 2.5% of studies at most, up to the error of 500.
    rows, columns = np.indices((5, 5))
    assert (above[rows + columns <= 4] <= 0.045 * studies).all()
    assert (above[rows + columns >= 7] >= 0.95 * studies).all()


def test_the_fit_is_the_truth_in_a_large_study() -> None:
    table = grid_study(np.random.default_rng(1), replicates=200)
    diagram = phase_diagram(table, x="learning_rate", y="units", points=9)
    log_odds = 5 * (np.log10(diagram.grid_x / 1e-3)[None, :] + np.log2(diagram.grid_y / 16)[:, None] / 2)
    assert diagram.probability == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=0.05)
    assert not diagram.curved
    assert diagram.straightness is not None
    assert diagram.straightness > 0.05


def test_the_band_along_an_axis_is_the_interval_of_the_critical_value() -> None:
    table = grid_study(np.random.default_rng(2), replicates=2)
    diagram = phase_diagram(table, x="learning_rate", y="units", points=101, curved=False)
    middle = 50
    assert diagram.grid_y[middle] == pytest.approx(16)
    found = critical_value(table, axis="learning_rate", at={"units": 16})
    band = diagram.grid_x[diagram.band[middle]]
    step = diagram.grid_x[1] / diagram.grid_x[0]
    assert found.low is not None
    assert found.high is not None
    assert band[0] / found.low == pytest.approx(1, abs=step - 1)
    assert band[-1] / found.high == pytest.approx(1, abs=step - 1)


def test_the_grid_covers_what_was_tried_and_is_even_on_the_natural_scale() -> None:
    table = logistic_study(np.random.default_rng(3), 60).assign(recurrent_dropout=np.linspace(0, 0.5, 60))
    diagram = phase_diagram(table, x="learning_rate", y="recurrent_dropout", points=11)
    assert (diagram.x.logarithmic, diagram.y.logarithmic) == (True, False)
    assert diagram.grid_x[[0, -1]].tolist() == [table.learning_rate.min(), table.learning_rate.max()]
    assert np.diff(np.log(diagram.grid_x)) == pytest.approx(np.diff(np.log(diagram.grid_x))[0])
    assert diagram.grid_y == pytest.approx(np.linspace(0, 0.5, 11))
    assert diagram.probability.shape == diagram.above_half.shape == diagram.band.shape == (11, 11)
    assert diagram.trial_x.tolist() == table.learning_rate.tolist()
    assert diagram.trial_diverged.tolist() == (table.outcome == "diverged").tolist()


def test_a_curved_boundary_is_fitted_as_one_and_a_straight_one_is_not() -> None:
    generator = np.random.default_rng(4)
    table = logistic_study(generator, 400).assign(recurrent_dropout=generator.uniform(0, 0.5, 400))
    bent = np.log10(table.learning_rate / 1e-3) > 12 * (table.recurrent_dropout - 0.25) ** 2 - 0.3
    curved = phase_diagram(
        study(bent, **table[["learning_rate", "recurrent_dropout"]]), x="learning_rate", y="recurrent_dropout"
    )
    assert curved.curved
    truth = np.log10(curved.grid_x / 1e-3)[None, :] > 12 * (curved.grid_y - 0.25)[:, None] ** 2 - 0.3
    assert ((curved.probability > 0.5) == truth).mean() > 0.97
    # Of straight boundaries one in a hundred is taken for a curve.
    straight = [
        phase_diagram(grid_study(generator, replicates=2), x="learning_rate", y="units", points=3) for _ in range(100)
    ]
    assert sum(diagram.curved for diagram in straight) <= 5


def test_a_poor_straight_fit_says_that_it_is() -> None:
    generator = np.random.default_rng(4)
    dropout, learning_rate = generator.uniform(0, 0.5, 300), 10 ** generator.uniform(-4, -2, 300)
    bent = np.log10(learning_rate / 1e-3) > 12 * (dropout - 0.25) ** 2 - 0.3
    table = study(bent, learning_rate=learning_rate, recurrent_dropout=dropout)
    forced = phase_diagram(table, x="learning_rate", y="recurrent_dropout", curved=False)
    assert "The fit is poor: the contour is not straight" in forced.words


def test_panels_are_fitted_alone_and_one_without_divergence_shows_no_boundary() -> None:
    generator = np.random.default_rng(5)
    relu, tanh = logistic_study(generator, 120), logistic_study(generator, 40)
    tanh["outcome"] = "survived"
    table = pd.concat([relu.assign(activation="relu"), tanh.assign(activation="tanh")])
    panels = phase_panels(table, x="learning_rate", y="units", by="activation", points=9)
    assert [panel.at for panel in panels] == [{"activation": "relu"}, {"activation": "tanh"}]
    alone = phase_diagram(relu, x="learning_rate", y="units", points=9)
    assert panels[0].probability.tolist() == alone.probability.tolist()
    assert not panels[1].fitted
    assert np.isnan(panels[1].probability).all()
    assert np.isnan(panels[1].above_half).all()
    assert not panels[1].band.any()
    assert len(panels[1].trial_x) == 40
    assert panels[1].words.startswith("No trial diverged at learning_rate")


def test_a_stated_number_moves_the_contour_as_a_covariate() -> None:
    generator = np.random.default_rng(6)
    table = logistic_study(generator, 3000).assign(recurrent_dropout=generator.uniform(0, 0.5, 3000))
    few, many = (
        phase_diagram(table, x="learning_rate", y="recurrent_dropout", at={"units": units}, points=21, curved=False)
        for units in (4, 64)
    )
    crossings = [np.log10(diagram.grid_x[np.abs(diagram.probability[10] - 0.5).argmin()]) for diagram in (few, many)]
    # Four doublings of the units, each worth a quarter of a decade of the learning rate.
    assert crossings[0] - crossings[1] == pytest.approx(1, abs=0.15)
    assert "Averaged over units" in phase_diagram(table, x="learning_rate", y="recurrent_dropout", points=3).words


def test_no_dependence_on_either_axis_is_said() -> None:
    generator = np.random.default_rng(7)
    table = study(
        generator.random(80) < 0.4,
        learning_rate=10 ** generator.uniform(-4, -2, 80),
        units=generator.choice([8, 16], 80),
    )
    diagram = phase_diagram(table, x="learning_rate", y="units", points=9)
    assert diagram.dependence is not None
    assert diagram.dependence > 0.05
    assert "do not show that it depends on either" in diagram.words


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (study([0, 0, 1], learning_rate=[1e-4, 1e-3, 1e-2], units=[8, 16, 16]), "too few"),
        (study([0, 1] * 9, learning_rate=np.geomspace(1e-4, 1e-2, 18), units=[8] * 18), "nothing can be said of units"),
        (study([1] * 9, learning_rate=np.geomspace(1e-4, 1e-2, 9), units=[8, 16, 32] * 3), "every trial diverged"),
        (study([], learning_rate=np.empty(0), units=np.empty(0)), "no trial with a result"),
    ],
    ids=["three trials", "constant axis", "all diverged", "no trial"],
)
def test_a_study_without_a_boundary_gives_words_and_no_picture(table: pd.DataFrame, said: str) -> None:
    diagram = phase_diagram(table, x="learning_rate", y="units", points=5)
    assert said in diagram.words.lower()
    assert not diagram.fitted
    assert np.isnan(diagram.probability).all()
    assert diagram.probability.shape == (len(diagram.grid_y), len(diagram.grid_x))


def test_axes_that_cannot_make_a_diagram_are_refused_in_a_sentence() -> None:
    table = logistic_study(np.random.default_rng(0), 30).assign(activation="relu")
    with pytest.raises(UserError, match="units: is given for both axes"):
        phase_diagram(table, x="units", y="units")
    with pytest.raises(UserError, match="activation: has no order"):
        phase_diagram(table, x="activation", y="units")
    with pytest.raises(UserError, match="units: is numeric, so it has no panels"):
        phase_panels(table, x="learning_rate", y="recurrent_dropout", by="units")
