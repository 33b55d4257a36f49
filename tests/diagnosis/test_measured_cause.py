"""The cause of a trial by measurement alone, as a worker finds it and a report reads it."""

from __future__ import annotations

import pytest

from study.diagnosis import measured_cause
from study.diagnosis.measured_cause import MeasuredCause, measure, measured_text
from study.engine import run
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run_trial
from study.report.page_task import cause_task
from tests.diagnosis.hurried import HAVE
from tests.diagnosis.test_example import DIVERGES


def test_the_cause_of_a_trial_of_the_example_is_measured_from_its_record() -> None:
    (result,) = run([DIVERGES])
    found = MeasuredCause.from_json(cause_task()(result.to_json(), "{}"))
    assert found.cause.id == "unbounded_recurrence"
    assert "with tanh in its place the same update stays finite" in found.cause.evidence
    assert found.means == "a recurrent state grows by a factor per timestep through an activation without a bound"


def test_the_cause_of_a_trial_of_a_model_file_is_measured_where_the_file_is_not() -> None:
    file = ModelFile(path="/not/here/model.py", text=HAVE["nonfinite_data"][1])
    design = design_of(file)
    result = run_trial(design.config({"updates": 5}), file=file)
    found = MeasuredCause.from_json(cause_task(file, design)(result.to_json(), "{}"))
    assert found.cause.id == "nonfinite_data"
    assert "rows 5 have such numbers" in found.cause.evidence


def test_a_cause_is_the_same_after_it_was_kept() -> None:
    found = measure(DIVERGES)
    assert found is not None
    assert MeasuredCause.from_json(found.to_json()).to_json() == found.to_json()


def test_a_trial_that_does_not_repeat_its_nan_is_given_no_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    (result,) = run([DIVERGES])
    monkeypatch.setattr(measured_cause, "measure", lambda *one, **more: None)
    with pytest.raises(RuntimeError, match="does not go to NaN when it is trained again"):
        measured_text(result.to_json())
