from __future__ import annotations

import pytest

from study.trial.tensor_name import TensorName
from study.trial.words import GATES, OF_A_GATE, TENSORS

LAYERS = ("front_end", "front_end_norm", "front_end_activation", "dropout_0", "lstm_2_norm", "dropout_2", "output_norm")
NAMES = [
    *(TensorName.of_gate(gate, role) for gate in GATES for role in OF_A_GATE),
    *(TensorName(role=role) for role in TENSORS),
    *map(TensorName.output_of, LAYERS),
    *map(TensorName.of_weight, ("lstm_1/forward/kernel", "front_end_norm/gamma", "dense/bias")),
    TensorName(role="softmax"),
]
WRITTEN = {
    "input_sum": TensorName.of_gate("input", "sum"),
    "cell_state": TensorName(role="cell_state"),
    "dropout_1": TensorName.output_of("dropout_1"),
    "lstm_1/forward/kernel": TensorName.of_weight("lstm_1/forward/kernel"),
    "gradient of candidate_sum": TensorName.of_gate("candidate", "sum").derived("gradient"),
    "gradient of the output of dense": TensorName.output_of("dense").derived("gradient"),
    "gradient of dense/kernel": TensorName.of_weight("dense/kernel").derived("gradient"),
    "running mean 2 of lstm_2/backward/bias": TensorName.of_weight("lstm_2/backward/bias").derived("running mean 2"),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_tensor_is_written_as_journals_and_tables_have_always_shown_it(text: str) -> None:
    assert str(WRITTEN[text]) == text
    assert TensorName.parse(text) == WRITTEN[text]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_every_name_is_read_back_from_its_text(name: TensorName) -> None:
    assert TensorName.parse(str(name)) == name
    if name.role != "softmax":
        assert TensorName.parse(str(name.derived("gradient"))) == name.derived("gradient")
    if name.weight:
        for number in ("running mean 1", "running mean 2"):
            assert TensorName.parse(str(name.derived(number))) == name.derived(number)  # type: ignore[arg-type]
