from __future__ import annotations

import math

import pytest

from study.trial.phrases import grew, tensor_label, tensor_words
from study.trial.tensor_name import TensorName


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.5, "-50%"),
        (1.004, "0.4%"),
        (1.14, "14%"),
        (9.9, "890%"),
        (10.5, "by a factor of 10.5"),
        (558478482679284, "by a factor of 5.58e+14"),
    ],
)
def test_growth_is_told_in_per_cent_up_to_a_factor_of_ten(factor: float, words: str) -> None:
    assert grew(math.log(factor)) == words


def test_growth_beyond_the_largest_double_has_words() -> None:
    assert grew(800.0) == "by a factor of 1e347"  # 800 / ln 10 = 347.4


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("forget_sum", "sum before the forget gate"),
        ("gradient of output_sum", "gradient of sum before the output gate"),
        ("gradient of lstm_1/forward/recurrent_kernel", "gradient of the recurrent kernel of lstm_1/forward"),
        ("running mean 1 of lstm_1/forward/kernel", "running mean 1 of the kernel of lstm_1/forward"),
        ("dense/bias", "bias of dense"),
        ("cell_state", "cell state"),
        ("gradient of the output of dropout_1", "gradient of the output of layer 1 after its Dropout"),
        ("softmax", "softmax"),
    ],
)
def test_tensors_have_labels_that_can_be_read(text: str, label: str) -> None:
    assert tensor_label(TensorName.parse(text)) == label


@pytest.mark.parametrize(
    ("optimizer", "number", "squared"),
    [("nadam", 1, False), ("nadam", 2, True), ("adam", 1, False), ("adam", 2, True), ("rmsprop", 1, True)],
)
def test_a_running_mean_is_called_squared_where_the_optimizer_squares(
    optimizer: str, number: int, squared: bool
) -> None:
    """D. P. Kingma and J. Ba, "Adam", 2015, algorithm 1; RMSprop keeps the mean of squares alone."""
    name = TensorName.parse(f"running mean {number} of dense/kernel")
    assert ("squared" in tensor_words(name, optimizer=optimizer)) == squared
