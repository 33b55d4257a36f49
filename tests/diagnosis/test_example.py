"""What is measured of the minimal example, and its remedies, as the compiled engine trains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.diagnosis import example
from study.diagnosis.case import Case
from study.diagnosis.causes import CAUSES
from study.diagnosis.examine import examine
from study.diagnosis.remedies import BoundedActivation, ClipNorm, Epsilon, LearningRate, OtherValue, Remedy
from study.diagnosis.remedies.axis import of_the_example
from study.models.file import ModelFile
from study.models.signature import design_of
from study.trial.config import TrialConfig

DIVERGES = TrialConfig(
    units=8,
    timesteps=60,
    features=4,
    batch_size=8,
    recurrent_dropout=0.0,
    max_norm=None,
    learning_rate=1.0,
    seed=2,
    updates=25,
)
"""NaN at update 3, says the reference engine (tests/models/test_minimal_example.py)."""

AS_A_FILE = ModelFile.read(Path(__file__).parent.parent / "models" / "minimal_example.py")


def likeliest(case: Case) -> str:
    found = {cause.id: finding.weight for cause in CAUSES if (finding := cause.examine(case))}
    return max(found, key=found.__getitem__)


@pytest.fixture(scope="module")
def measured() -> Case:
    return example.examine(DIVERGES)


def test_what_is_measured_is_what_is_measured_of_the_same_trial_as_a_model_file(measured: Case) -> None:
    axes = {name: value for name, value in DIVERGES.values().items() if name != "semantics"}
    other = examine(AS_A_FILE, design_of(AS_A_FILE).config(axes))
    assert len(measured.loss) == len(other.loss) == 3
    assert measured.diverged
    assert measured.same_update == {"bounded": True}
    assert other.same_update["bounded"]
    assert measured.onset is not None
    assert other.onset is not None
    assert (measured.onset.update, measured.onset.phase) == (other.onset.update, other.onset.phase)
    (layer,), (as_keras_has_it,) = measured.recurrent, other.recurrent
    assert layer.growth == pytest.approx(as_keras_has_it.growth, rel=0.01)
    assert likeliest(measured) == likeliest(other) == "unbounded_recurrence"


def test_the_data_of_the_update_are_measured_and_not_those_of_all_updates(measured: Case) -> None:
    x, y = measured.arrays
    assert 2 < x.largest < 7  # of 1920 draws of a standard normal
    assert (y.distinct, y.largest) == (2, 1.0)


def test_a_bounded_activation_holds_and_a_remedy_that_changes_nothing_is_refused() -> None:
    held = example.run(DIVERGES, BoundedActivation())
    assert (held.diverged, len(held.loss)) == (False, 25)
    for remedy, why in (
        (ClipNorm(), "its clipnorm is 1 already"),
        (OtherValue("units", 8), "its units is 8 already"),
        (Epsilon(), "no axis of the example makes it"),
    ):
        refused = example.run(DIVERGES, remedy)
        assert (refused.refused, refused.loss) == (why, ())


def test_a_training_that_diverges_with_a_remedy_ends_there() -> None:
    run = example.run(DIVERGES, LearningRate(1.0, 0.0))
    assert (run.diverged, len(run.loss)) == (True, 3)


@pytest.mark.parametrize(
    ("remedy", "axes"),
    [
        (LearningRate(1.0, 2.0), {"learning_rate": 0.01}),
        (BoundedActivation(), {"activation": "tanh"}),
        (OtherValue("batch_norm", "input"), {"batch_norm": "input"}),
    ],
)
def test_a_remedy_is_other_values_of_axes(remedy: Remedy, axes: dict[str, object]) -> None:
    assert remedy.of_the_example(DIVERGES) == axes


def test_what_the_page_names_is_tried_where_the_trial_is_not_like_that_already() -> None:
    keys = {remedy.key for remedy in of_the_example(DIVERGES)}
    assert keys == {"batch_norm=input", "activation=selu", "max_norm=0.5", "label_balance=0.5", "timesteps=15"}


def test_one_update_after_another_is_told() -> None:
    told: list[tuple[int, float]] = []
    case = example.examine(DIVERGES.replacing(activation="tanh"), on_update=lambda *one: told.append(one))
    assert [update for update, _ in told] == list(range(1, 26))
    assert tuple(loss for _, loss in told) == case.loss
    assert (case.onset, case.diverged) == (None, False)
