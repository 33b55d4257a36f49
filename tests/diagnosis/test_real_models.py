"""Causes of real models, written in a hurry: measured without running a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from study.diagnosis.causes import CAUSES
from study.diagnosis.examine import examine
from study.models.file import ModelFile
from study.models.signature import design_of
from tests.diagnosis.hurried import HAVE, HEALTHY, NEARLY

UPDATES = 25


def concluded(text: str) -> str | None:
    """The likeliest cause; None of a model to which nothing happens."""
    file = ModelFile(path="/hurried/model.py", text=text)
    case = examine(file, design_of(file).config({"updates": UPDATES}))
    if case.onset is None and not case.diverged:
        return None
    found = {cause.id: finding.weight for cause in CAUSES if (finding := cause.examine(case))}
    return max(found, key=found.__getitem__, default=None)


def each(models: Mapping[str, tuple[str, ...]], *, quick: int) -> Iterator[object]:
    """Models one by one; what compiles long, and what is not of the first of a cause, waits for the night."""
    for cause, texts in models.items():
        for number, text in enumerate(texts):
            waits = number >= quick or "LSTM" in text or "RNN" in text or len(text) > 1000
            marks = [pytest.mark.nightly] if waits else []
            yield pytest.param(cause, text, id=f"{cause} {number + 1}", marks=marks)


@pytest.mark.parametrize(("cause", "text"), list(each(HAVE, quick=1)))
def test_a_model_that_has_a_cause_is_told_it(cause: str, text: str) -> None:
    assert concluded(text) == cause


@pytest.mark.parametrize(("cause", "text"), list(each(NEARLY, quick=0)))
def test_a_model_that_nearly_has_a_cause_is_not_told_it(cause: str, text: str) -> None:
    assert concluded(text) != cause


@pytest.mark.parametrize(("cause", "text"), list(each({"healthy": HEALTHY}, quick=1)))
def test_nothing_is_told_of_a_model_that_looks_dangerous_and_holds(cause: str, text: str) -> None:
    assert concluded(text) is None


def test_every_cause_has_three_models_and_three_that_nearly_have_it() -> None:
    for cause in CAUSES:
        assert len(HAVE[cause.id]) >= 3
        assert len(NEARLY[cause.id]) >= 3
