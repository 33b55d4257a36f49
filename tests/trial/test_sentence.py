"""The sentence that says what went wrong first in a trial of the example."""

from __future__ import annotations

import math
from typing import Any

import pytest

from study.trial.growth import FIGURES, Growth
from study.trial.sentence import verdict
from tests.trial.results import onset, result


def test_the_verdict_is_the_sentence_of_the_example() -> None:
    assert verdict(result()) == (
        "At update 8 the cell state of layer 1 overflowed at timestep 611 (unit 40, sample 3): it had been growing 14% "
        "per timestep, through relu; the loss became NaN in the same update, the weights in the next."
    )


SURVIVED = (0.7,) * 20


def growing(rate: float, *, updates: int) -> Growth:
    """Of states that grow at a rate of the natural logarithm."""
    return Growth.of([[0.7, *(rate if "growth" in name else 1.0 for name in FIGURES)] for _ in range(updates)])


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
            "At update 8 the loss became NaN: the hidden state had been growing 1.0% per timestep, through relu; the "
            "model's output was still finite, and the weights stayed finite.",
            id="the loss itself",
        ),
        pytest.param(
            {
                "onset": onset(update=5, phase="backward", tensor="gradient of hidden_state", timestep=3),
                "first": {"gradient": 5, "weight": 5, "loss": 8},
            },
            "At update 5 the gradient of the hidden state of layer 1 overflowed at timestep 3 (unit 40, sample 3): the "
            "hidden state had been growing 1.0% per timestep, through relu; the loss became NaN 3 updates later, the "
            "weights in the next.",
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
            "At update 8 the gradient of the recurrent kernel of layer 1 overflowed (row 4, column 9): the hidden "
            "state had been growing 1.0% per timestep, through relu; the loss became NaN in the same update, the "
            "weights in the next.",
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
                "growth": growing(math.log(1.17), updates=20),
            },
            "At update 4 the optimizer's running mean of the squared gradient of the kernel of the Dense layer "
            "overflowed (row 4, column 0): the hidden state had been growing 17% per timestep, through relu; the loss "
            "stayed finite to the end of the budget of 20 updates, and the weights stayed finite.",
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
                "growth": None,
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
            "At update 8 the sum before the activation of a gate became NaN: the hidden state had been growing "
            "1.0% per timestep, through relu; the loss became NaN in the same update, the weights in the next. Note: "
            "its replay did not meet it.",
            id="the program alone met it",
        ),
        pytest.param(
            {"onset": onset(), "growth": growing(math.log(5.6e14), updates=8)},
            "At update 8 the cell state of layer 1 overflowed at timestep 611 (unit 40, sample 3): it had been growing "
            "by a factor of 5.6e+14 per timestep, through relu; the loss became NaN in the same update, the weights in "
            "the next.",
            id="a growth that no per cent can tell",
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
