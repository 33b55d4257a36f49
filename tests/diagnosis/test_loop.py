"""A diagnosis, from measured facts to ranked remedies, on a bench whose trainings are made up."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from study.diagnosis.case import Case
from study.diagnosis.loop import Limits, diagnose
from study.diagnosis.remedies import BoundedActivation, ClipNorm, LearningRate, Remedy
from study.diagnosis.result import Run
from study.trial.axes import Axes, Axis
from study.trial.model_design import ModelDesign
from tests.diagnosis.test_causes import CASES, TAME

DESIGN = ModelDesign(
    model="made_up.py",
    sha256="0" * 64,
    file_axes=Axes([Axis.annotated("seed", int, 1), Axis.annotated("updates", int, 100)]),
)


class MadeUpBench:
    """Trainings hold where the learning rate is at most 1e-5, or the activation is bounded."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.asked: list[Remedy] = []

    def examine(self, config: Any) -> Case:
        return self.case

    def submit(self, config: Any, remedies: Sequence[Remedy]) -> Future[Run]:
        (remedy,) = remedies
        self.asked.append(remedy)
        held = isinstance(remedy, BoundedActivation) or (isinstance(remedy, LearningRate) and remedy.value <= 1e-5)
        last = 0.1 if isinstance(remedy, BoundedActivation) else 0.5
        loss = (1.0, *[last] * (config.updates - 1)) if held else (1.0, float("nan"))
        done: Future[Run] = Future()
        refused = "it cannot be clipped" if isinstance(remedy, ClipNorm) else None
        done.set_result(Run(seed=config.seed, loss=loss, diverged=not held, refused=refused))
        return done


def answer(case: Case, **limits: Any) -> tuple[dict[str, Any], MadeUpBench]:
    bench = MadeUpBench(case)
    return diagnose(bench, DESIGN.config({}), limits=Limits(**limits)).as_dict(), bench  # type: ignore[arg-type]


def test_remedies_that_held_come_first_and_the_one_that_learns_further_before() -> None:
    found, _ = answer(CASES["unbounded_recurrence"])
    assert found["cause"]["id"] == "unbounded_recurrence"
    assert [one["id"] for one in found["remedies"][:2]] == ["activation", "learning_rate"]
    assert found["remedies"][0] == {
        "id": "activation",
        "change": 'activation="tanh" in the recurrent layers',
        "trials": 3,
        "survived": 3,
        "updates": 40,
        "loss_before": 1.0,
        "loss_after": pytest.approx(0.1),
        "run": True,
    }


def test_the_largest_learning_rate_that_holds_is_found_by_bisection() -> None:
    found, _ = answer(CASES["unbounded_recurrence"])
    (rate,) = [one for one in found["remedies"] if one["id"] == "learning_rate"]
    assert 1e-5 / 3.5 <= float(rate["change"].partition("=")[2]) <= 1e-5
    assert rate["survived"] == rate["trials"] == 3


def test_a_remedy_that_cannot_be_made_is_named_with_the_reason() -> None:
    found, _ = answer(CASES["unbounded_recurrence"])
    (clip,) = [one for one in found["remedies"] if one["id"] == "clipnorm"]
    assert clip["run"] is False
    assert clip["why"] == "it cannot be clipped"


def test_no_more_trials_are_run_than_allowed() -> None:
    found, bench = answer(CASES["unbounded_recurrence"], trials=4)
    assert len(bench.asked) <= 4
    assert any("--trials" in one.get("why", "") for one in found["remedies"])


def test_a_healthy_model_has_no_cause_and_a_spike_is_called_one() -> None:
    found, bench = answer(replace(TAME, onset=None, loss=(1.0, 0.9, 50.0, 0.8, 0.7, 0.6)))
    assert found["cause"] is None
    assert found["outcome"] == "survived"
    assert "spike of 50 at update 3" in found["healthy"]
    assert bench.asked == []
