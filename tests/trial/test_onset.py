"""Timeline and verdict, and their way through JSON and MLflow's tags and metrics."""

from __future__ import annotations

import math
from typing import Any

import pytest

from study.sweep.ledger import Record
from study.tracking.tracker import NOTE, trial_metrics, trial_tags
from study.trial.config import TrialConfig
from study.trial.growth import FIGURES, Growth, kept_updates
from study.trial.onset import EVENTS, Onset, timeline, verdict
from study.trial.result import TrialResult

LOSSES = (0.7, 0.6, 11.0, 0.5, 0.6, 0.7, 0.8, math.nan)


def onset(**fields: Any) -> Onset:
    return Onset(
        **{
            "update": 8,
            "phase": "forward",
            "layer": "lstm_1",
            "direction": "forward",
            "tensor": "cell_state",
            "timestep": 611,
            "sample": 3,
            "unit": 40,
            "index": (611, 3, 40),
            "value": "inf",
            **fields,
        }
    )


def result(*, first: dict[str, int] | None = None, loss: tuple[float, ...] = LOSSES, **fields: Any) -> TrialResult:
    first = first if first is not None else {"cell_state": 8, "hidden_state": 8, "loss": 8, "weight": 8}
    rows = [[value, 1.0, 2.0, 0.01, math.log(1.14), 3.0, 4.0, 5.0] for value in loss]
    axes = {"updates": len(loss), **fields.pop("axes", {})}
    return TrialResult(
        **{
            "config": TrialConfig(**axes),
            "loss": loss,
            "engine": "compiled",
            "device": "CPU",
            "seconds": 1.0,
            "timeline": timeline([first.get(event, 0) for event in EVENTS], loss),
            "onset": onset(),
            "growth": Growth.of(rows),
            **fields,
        }
    )


def test_the_timeline_counts_a_weight_for_the_update_that_starts_from_it() -> None:
    told = timeline([8, 8, 8, 8, 8, 8, 8, 8], LOSSES)
    assert told == {**dict.fromkeys(EVENTS, 8), "weight": 9, "loss_exceeded": 3}
    never = timeline([0] * len(EVENTS), (0.5, 10.0))
    assert set(never.values()) == {None}


def test_a_loss_that_is_infinite_does_not_count_as_exceeded() -> None:
    assert timeline([0] * len(EVENTS), (1.0, math.inf))["loss_exceeded"] is None
    assert timeline([0] * len(EVENTS), (1.0, 10.1, math.nan))["loss_exceeded"] == 2


def test_the_verdict_is_the_sentence_of_the_example() -> None:
    assert verdict(result()) == (
        "At update 8 the cell state of layer 1 overflowed at timestep 611 (unit 40, sample 3): it had been growing 14% "
        "per timestep, through relu; the loss became NaN in the same update, the weights in the next."
    )


SURVIVED = (0.7,) * 20


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param(
            {
                "onset": onset(tensor="candidate_sum", layer="lstm_2", direction="backward"),
                "axes": {"bidirectional": True, "activation": "selu", "layers": 2},
            },
            "At update 8 the sum before the activation of the candidate of layer 2, backward direction overflowed at "
            "timestep 611 (unit 40, sample 3): the fastest-growing hidden state had been growing 1.0% per timestep, "
            "through selu; the loss became NaN in the same update, the weights in the next.",
            id="a stack of bidirectional layers",
        ),
        pytest.param(
            {
                "onset": onset(
                    tensor="input_sum", value="nan", operands={"input_projection": 1.0, "largest |hidden|": 3e38}
                ),
                "growth": None,
            },
            "At update 8 the sum before the activation of the input gate of layer 1 overflowed both ways to inf - inf, "
            "which is NaN, at timestep 611 (unit 40, sample 3); the loss became NaN in the same update, the weights in "
            "the next.",
            id="a sum that overflows both ways",
        ),
        pytest.param(
            {"onset": onset(layer=None, direction=None, tensor="inputs", value="nan", index=(7, 2, 1), unit=1)},
            "At update 8 an input of the model was NaN at timestep 611 (feature 1, sample 3); the loss became NaN in "
            "the same update, the weights in the next.",
            id="a bad input",
        ),
        pytest.param(
            {
                "onset": onset(
                    phase="loss",
                    layer=None,
                    direction=None,
                    tensor="loss",
                    timestep=None,
                    sample=None,
                    unit=None,
                    index=(),
                    value="nan",
                ),
                "first": {"loss": 8},
            },
            "At update 8 the loss became NaN; the model's output was still finite, and the weights stayed finite.",
            id="the loss itself",
        ),
        pytest.param(
            {
                "onset": onset(update=5, phase="backward", tensor="gradient of hidden_state", timestep=3),
                "first": {"gradient": 5, "weight": 5, "loss": 8},
            },
            "At update 5 the gradient of the hidden state of layer 1 overflowed at timestep 3 (unit 40, sample 3); "
            "the loss became NaN 3 updates later, the weights in the next.",
            id="the way back",
        ),
        pytest.param(
            {
                "onset": onset(
                    phase="backward",
                    tensor="gradient of lstm_1/forward/recurrent_kernel",
                    timestep=None,
                    sample=None,
                    unit=None,
                    index=(4, 9),
                ),
            },
            "At update 8 the gradient of the recurrent kernel of layer 1 overflowed (row 4, column 9); the loss became "
            "NaN in the same update, the weights in the next.",
            id="the gradient of a weight",
        ),
        pytest.param(
            {
                "onset": onset(
                    update=4,
                    phase="optimizer",
                    layer="dense",
                    direction=None,
                    tensor="running mean 2 of dense/kernel",
                    timestep=None,
                    sample=None,
                    unit=None,
                    index=(4, 0),
                ),
                "first": {"optimizer_state": 4},
                "loss": SURVIVED,
            },
            "At update 4 the optimizer's running mean of the squared gradient of the kernel of the Dense layer "
            "overflowed (row 4, column 0); the loss stayed finite to the end of the budget of 20 updates, and the "
            "weights stayed finite.",
            id="survived, but a running mean overflowed",
        ),
        pytest.param(
            {
                "onset": onset(
                    update=7,
                    phase="optimizer",
                    tensor="lstm_1/forward/bias",
                    timestep=None,
                    sample=None,
                    unit=None,
                    index=(5,),
                ),
                "first": {"weight": 7, "loss": 8},
            },
            "At update 7 the bias of layer 1, changed by the step, overflowed (number 5); the loss became NaN in the "
            "next.",
            id="the step",
        ),
        pytest.param(
            {"onset": onset(warning="the label of sample 3 is 2, not between 0 and 1"), "growth": None},
            "At update 8 the cell state of layer 1 overflowed at timestep 611 (unit 40, sample 3); the loss became NaN "
            "in the same update, the weights in the next. Note: the label of sample 3 is 2, not between 0 and 1.",
            id="a bad label",
        ),
        pytest.param(
            {"onset": onset(value="3.4e+38", warning="by rounding"), "growth": None},
            "At update 8 the cell state of layer 1 came within rounding of an overflow (3.4e+38) at timestep 611 "
            "(unit 40, sample 3); the loss became NaN in the same update, the weights in the next. Note: by rounding.",
            id="the replay came close only",
        ),
        pytest.param(
            {
                "onset": onset(
                    layer=None,
                    direction=None,
                    tensor="gate",
                    timestep=None,
                    sample=None,
                    unit=None,
                    index=(),
                    value="nan",
                    warning="its replay did not meet it",
                ),
            },
            "At update 8 the sum before the activation of an LSTM gate became NaN; the loss became NaN in the same "
            "update, the weights in the next. Note: its replay did not meet it.",
            id="the program alone met it",
        ),
        pytest.param(
            {"onset": None, "first": {}, "loss": SURVIVED},
            "No number stopped being finite in 20 updates: at the end the largest |h| was 1 and changed 1.0% per "
            "timestep, the largest |c| was 2 and changed 14% per timestep, through relu.",
            id="survived",
        ),
        pytest.param(
            {"onset": None, "timeline": None, "growth": None, "engine": "reference"},
            "At update 8 the loss became NaN; the reference engine does not record which number was the first.",
            id="the reference engine",
        ),
        pytest.param(
            {"onset": None, "timeline": None, "growth": None, "engine": "reference", "loss": SURVIVED},
            "The loss stayed finite for all 20 updates; the reference engine does not record which number was the "
            "first.",
            id="the reference engine, survived",
        ),
    ],
)
def test_the_verdict_says_what_came_first_and_what_came_of_it(fields: dict[str, Any], sentence: str) -> None:
    assert verdict(result(**fields)) == sentence


@pytest.mark.parametrize("layer", ["lstm_1", "lstm_2"])
@pytest.mark.parametrize(
    "tensor",
    [
        *(f"{gate}_{part}" for gate in ("input", "forget", "candidate", "output") for part in ("projection", "sum")),
        *("input_gate", "forget_gate", "candidate", "output_gate"),
        *("cell_state", "activated_cell_state", "hidden_state"),
    ],
)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_every_tensor_of_a_cell_has_words(layer: str, tensor: str, value: str) -> None:
    sentence = verdict(result(onset=onset(layer=layer, tensor=tensor, value=value)))
    assert f"of layer {layer[-1]}" in sentence
    assert "_" not in sentence


@pytest.mark.parametrize(
    "name",
    [
        *("front_end", "front_end_norm", "front_end_activation", "dropout_0", "lstm_1_norm", "lstm_2_norm"),
        *("dropout_1", "output_norm", "dropout_2", "dense"),
    ],
)
def test_every_layer_between_has_words_forward_and_backward(name: str) -> None:
    forward = onset(layer=name, direction=None, tensor="logit" if name == "dense" else name)
    backward = onset(layer=name, direction=None, phase="backward", tensor=f"gradient of the output of {name}")
    for sentence in (verdict(result(onset=forward)), verdict(result(onset=backward))):
        assert sentence.startswith("At update 8 the ")
        assert "_" not in sentence
    assert "the gradient of the " in sentence


@pytest.mark.parametrize("weight", ["front_end/kernel", "front_end_norm/gamma", "lstm_1_norm/beta", "dense/bias"])
def test_every_weight_has_words(weight: str) -> None:
    layer = weight.split("/")[0]
    for phase, tensor in (
        ("backward", f"gradient of {weight}"),
        ("optimizer", f"running mean 1 of {weight}"),
        ("optimizer", weight),
    ):
        found = onset(phase=phase, layer=layer, direction=None, tensor=tensor, timestep=None, unit=None, sample=None)
        assert "_" not in verdict(result(onset=found))


def test_a_result_with_onset_and_growth_survives_json() -> None:
    operands = {"forget_gate": 1.0, "cell_state before": math.inf, "candidate": -math.inf}
    one = result(onset=onset(operands=operands, warning="by rounding"), loss=(*LOSSES[:-1], math.inf))
    assert TrialResult.from_json(one.to_json()) == one
    bare = result(onset=None, timeline=None, growth=None, loss=SURVIVED)
    assert TrialResult.from_json(bare.to_json()) == bare


def test_growth_keeps_the_last_updates_and_none_where_a_figure_was_not_finite() -> None:
    rows = [[0.5, *([float(n)] * len(FIGURES))] for n in range(1, 100)] + [[math.nan, *([math.inf] * len(FIGURES))]]
    growth = Growth.of(rows)
    assert list(growth.updates) == kept_updates(100)
    assert growth.updates[-4:] == (97, 98, 99, 100)
    assert growth.figures["max_cell"][-1] is None
    assert growth.last() == dict.fromkeys(FIGURES, 99.0)


def test_mlflow_gets_the_onset_as_metrics_and_tags_and_the_verdict_as_description() -> None:
    one = result()
    tags = trial_tags(Record(number=3, config=one.config, result=one, end_time=1.0))
    assert tags["onset_tensor"] == "cell_state"
    assert tags["onset_layer"] == "lstm_1"
    assert tags[NOTE].endswith(verdict(one))
    metrics = {metric.key: metric.value for metric in trial_metrics(one, start=0, end=10)}
    assert {key: metrics[key] for key in ("onset_update", "onset_timestep", "onset_sample", "onset_unit")} == {
        "onset_update": 8,
        "onset_timestep": 611,
        "onset_sample": 3,
        "onset_unit": 40,
    }
    assert (metrics["nonfinite_weight"], metrics["loss_exceeded"]) == (9, 3)
    assert "nonfinite_gradient" not in metrics
    assert all(map(math.isfinite, metrics.values()))
