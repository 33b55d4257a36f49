"""What each cause concludes, and does not conclude, from measured facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from study.diagnosis.case import ArrayFacts, Case, RecurrentFacts
from study.diagnosis.causes import CAUSES
from study.models.onset import ModelOnset
from study.trial.tensor_name import TensorName

INF = float("inf")


def onset(phase: str, tensor: str, *, update: int = 5, value: str = "nan", **more: Any) -> ModelOnset:
    return ModelOnset(update=update, phase=phase, what=TensorName.parse(tensor), value=value, **more)


def array(name: str = "x", **more: Any) -> ArrayFacts:
    known: dict[str, Any] = {
        "part": name.split("/")[0],
        "floating": True,
        "nonfinite": 0,
        "columns": (),
        "largest": 4.0,
        "deviation": 1.0,
        "distinct": 20,
    }
    return ArrayFacts(name=name, **known | more)


TAME = Case(
    loss=(1.0, 0.9, 0.8, 0.7, float("nan")),
    diverged=True,
    budget=100,
    onset=onset("loss", "loss"),
    learning_rate=1e-3,
    epsilon=1e-7,
    optimizer="Adam",
    half=(),
    arrays=(array("x"), array("y", largest=1.0)),
    bad_rows=(),
    largest_output=3.0,
)


def found(case: Case) -> dict[str, float]:
    """Id -> weight, the likeliest first."""
    weights = {cause.id: finding.weight for cause in CAUSES if (finding := cause.examine(case))}
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


RELU = RecurrentFacts(layer="lstm", activation="relu", bounded=False, growth=1.2, largest=1e38)

CASES = {
    "nonfinite_data": replace(
        TAME, onset=onset("data", "x", row=7), arrays=(array(nonfinite=1, columns=(2,)),), bad_rows=(7,)
    ),
    "unscaled_data": replace(TAME, loss=(1e7, INF), arrays=(array(largest=6e4, deviation=5e3),)),
    "unbounded_recurrence": replace(
        TAME,
        onset=onset("forward", "cell_state", layer="lstm", value="inf", operands={"a": 2e38, "b": 2e38}),
        recurrent=(RELU,),
        same_update={"bounded": True},
    ),
    "learning_rate_too_high": replace(
        TAME, loss=(1.0, 1e9, INF), onset=onset("loss", "loss", value="inf", operands={"x": 1e20}), largest_output=1e20
    ),
    "exploding_gradient": replace(
        TAME, onset=onset("backward", "gradient of dense/kernel", value="inf", operands={"upstream gradient": 1e30})
    ),
    "loss_out_of_domain": replace(TAME, onset=onset("loss", "log", value="-inf", operands={"p": 0.0})),
    "operation_out_of_domain": replace(
        TAME, onset=onset("forward", "softmax", layer="attention", operands={"largest x": -INF}, source="m.py:3")
    ),
    "singular_gradient": replace(
        TAME, onset=onset("backward", "gradient of distance/sqrt", operands={"x": 0.0, "upstream gradient": 0.1})
    ),
    "precision_overflow": replace(
        TAME, onset=onset("forward", "output", layer="wide", value="inf"), half=("wide",), same_update={"float32": True}
    ),
    "optimizer_division": replace(
        TAME, onset=onset("optimizer", "dense/kernel", operands={"running mean": 0.0}), epsilon=0.0
    ),
    "initial_weights": replace(
        TAME,
        loss=(float("nan"),),
        onset=onset("forward", "output", update=1, layer="dense", value="inf", operands={"largest |input|": 1e30}),
        same_update={"smaller_weights": True, "usual_weights": True},
    ),
}


@pytest.mark.parametrize("cause", CASES)
def test_a_case_that_has_a_cause_is_concluded_to_have_it(cause: str) -> None:
    assert next(iter(found(CASES[cause]))) == cause


NEAR_MISSES = {
    "nonfinite_data": replace(TAME, arrays=(array(largest=1e30),)),
    "unscaled_data": replace(TAME, arrays=(array(largest=9.0, deviation=3.0),)),
    "unbounded_recurrence": replace(CASES["unbounded_recurrence"], same_update={"bounded": False}),
    "learning_rate_too_high": replace(TAME, loss=(float("nan"),), onset=onset("loss", "loss", update=1)),
    "exploding_gradient": replace(CASES["exploding_gradient"], largest_output=1e20),
    "loss_out_of_domain": replace(TAME, onset=onset("loss", "log", operands={"p": 1e30})),
    "operation_out_of_domain": replace(TAME, onset=onset("forward", "output", layer="dense", value="inf")),
    "singular_gradient": replace(CASES["singular_gradient"], largest_output=1e20),
    "precision_overflow": replace(CASES["precision_overflow"], same_update={"float32": False}),
    "optimizer_division": replace(TAME, onset=onset("optimizer", "dense/kernel", operands={"gradient": 1e30})),
    "initial_weights": replace(CASES["initial_weights"], same_update={"smaller_weights": False}),
}


@pytest.mark.parametrize("cause", NEAR_MISSES)
def test_a_near_miss_is_not_taken_for_the_cause(cause: str) -> None:
    assert cause not in found(NEAR_MISSES[cause])


def test_every_cause_of_the_catalogue_is_there_once() -> None:
    assert sorted(cause.id for cause in CAUSES) == sorted(CASES)


def test_evidence_is_measured_facts_and_a_cause_brings_remedies() -> None:
    for cause in CAUSES:
        finding = cause.examine(CASES[cause.id])
        assert finding is not None
        assert finding.evidence
        assert finding.remedies


@pytest.mark.parametrize(("phase", "helps"), [("forward", False), ("backward", False), ("optimizer", True)])
def test_no_setting_of_the_optimizer_is_tried_against_what_happens_before_any_step(phase: str, helps: bool) -> None:
    case = replace(CASES["unbounded_recurrence"], onset=onset(phase, "cell_state", update=1, layer="lstm"))
    (found,) = [finding for cause in CAUSES if cause.id == "unbounded_recurrence" and (finding := cause.examine(case))]
    assert any(remedy.id in ("learning_rate", "clipnorm") for remedy in found.remedies) is helps


AT_ONCE = replace(
    CASES["exploding_gradient"],
    loss=(0.7, float("nan")),
    onset=onset(
        "backward", "gradient of lstm/output_sum", update=1, value="-inf", operands={"upstream gradient": 1e30}
    ),
)
TAME_RELU = replace(RELU, growth=1.0, largest=3.0)


@pytest.mark.parametrize(
    ("case", "remedies"),
    [
        (AT_ONCE, ["initial_weights"]),
        (replace(AT_ONCE, same_update={"smaller_weights": False}), []),
        (replace(AT_ONCE, recurrent=(TAME_RELU,)), ["activation", "initial_weights", "normalisation"]),
        (
            replace(AT_ONCE, recurrent=(TAME_RELU,), same_update={"smaller_weights": True}),
            ["initial_weights", "activation", "normalisation"],
        ),
        (
            replace(AT_ONCE, recurrent=(TAME_RELU,), same_update={"bounded": False, "smaller_weights": True}),
            ["initial_weights", "normalisation"],
        ),
        (replace(AT_ONCE, recurrent=(replace(TAME_RELU, bounded=True),)), ["initial_weights", "normalisation"]),
    ],
)
def test_against_a_gradient_that_overflows_before_any_step_the_gain_is_made_smaller(
    case: Case, remedies: list[str]
) -> None:
    (found,) = [finding for cause in CAUSES if cause.id == "exploding_gradient" and (finding := cause.examine(case))]
    assert [remedy.id for remedy in found.remedies] == remedies


def test_a_bounded_activation_that_keeps_the_update_finite_comes_before_the_settings_of_the_optimizer() -> None:
    """A gradient that has overflowed is not clipped any more."""
    later = replace(CASES["exploding_gradient"], recurrent=(TAME_RELU,))
    for measured, ids in (
        ({"bounded": True}, ["activation", "clipnorm", "learning_rate", "initial_weights", "normalisation"]),
        ({"bounded": False}, ["clipnorm", "learning_rate", "initial_weights", "normalisation"]),
    ):
        case = replace(later, same_update=measured)
        (finding,) = [
            finding for cause in CAUSES if cause.id == "exploding_gradient" and (finding := cause.examine(case))
        ]
        assert [remedy.id for remedy in finding.remedies] == ids
        assert any("stays finite" in fact for fact in finding.evidence) is measured["bounded"]


def test_a_gradient_that_is_finite_in_the_first_update_can_be_clipped() -> None:
    """What overflows there is the optimizer's square of it."""
    case = replace(AT_ONCE, onset=onset("optimizer", "dense/kernel", update=1, operands={"gradient": 1e30}))
    (found,) = [finding for cause in CAUSES if cause.id == "exploding_gradient" and (finding := cause.examine(case))]
    assert [remedy.id for remedy in found.remedies] == ["clipnorm", "learning_rate", "initial_weights"]
