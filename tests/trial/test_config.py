from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.trial.config import AXES, TrialConfig
from study.trial.errors import UserError

# The experiment as the question gives it: shapes, model, optimizer, labels.
MRE = {
    "cell": "lstm",
    "activation": "relu",
    "recurrent_activation": "sigmoid",
    "units": 512,
    "layers": 1,
    "timesteps": 672,
    "features": 16,
    "batch_size": 32,
    "recurrent_dropout": 0.3,
    "dropout": 0.0,
    "learning_rate": 4e-4,
    "optimizer": "nadam",
    "clipnorm": 1.0,
    "max_norm": 0.5,
    "task": "noise",
    "label_balance": 5 / 32,
    "label_sampling": "shuffled",
    "batch_norm": "none",
    "front_end": "none",
    "front_end_activation": "none",
    "input_mean": 0.0,
    "bidirectional": False,
    "stateful": False,
    "semantics": "keras-3",
    "updates": 100,
    "seed": 1,
}


def test_the_defaults_are_the_minimal_reproducible_example() -> None:
    assert TrialConfig().model_dump() == MRE


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "learning_rate": st.floats(1e-30, 1e30, exclude_min=True),
            "units": st.integers(1, 4096),
            "clipnorm": st.none() | st.floats(1e-6, 1e6),
            "label_balance": st.floats(0, 1),
            "stateful": st.booleans(),
            "input_mean": st.floats(-1e6, 1e6),
            "semantics": st.sampled_from(["keras-3", "keras-2.2.4"]),
            "front_end": st.sampled_from(["none", "conv1d"]),
        },
    )
)
def test_what_mlflow_shows_reads_back_as_the_same_config(values: dict[str, object]) -> None:
    config = TrialConfig.model_validate(values)
    assert TrialConfig.parse(config.params()) == config
    assert hash(TrialConfig.parse(config.params())) == hash(config)


def test_dependent_defaults_follow_what_they_depend_on() -> None:
    assert TrialConfig(semantics="keras-2.2.4").recurrent_activation == "hard_sigmoid"
    assert TrialConfig(semantics="keras-2.2.4", recurrent_activation="sigmoid").recurrent_activation == "sigmoid"
    assert TrialConfig(front_end="conv1d").front_end_activation == "relu"
    assert TrialConfig(cell="simple_rnn").recurrent_activation == "none"


def test_a_cell_without_gates_takes_no_activation_of_them() -> None:
    with pytest.raises(UserError, match=r"^recurrent_activation=tanh needs a cell with gates, such as cell=lstm$"):
        TrialConfig.parse({"cell": "simple_rnn", "recurrent_activation": "tanh"})


@pytest.mark.parametrize("cell", ["gru", "simple_rnn"])
def test_keras_2_2_4_has_the_lstm_alone(cell: str) -> None:
    with pytest.raises(UserError, match=f"^cell={cell} is there under semantics=keras-3 alone: set semantics=keras-3"):
        TrialConfig.parse({"cell": cell, "semantics": "keras-2.2.4"})


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("units=0", "units=0 is not allowed; units takes a whole number, at least 1"),
        ("units=1.5", "units=1.5 is not allowed"),
        ("units=many", "units=many is not allowed"),
        ("learning_rate=0", "learning_rate takes a number, above 0"),
        ("learning_rate=nan", "learning_rate=nan is not allowed"),
        ("learning_rate=inf", "learning_rate=inf is not allowed"),
        ("recurrent_dropout=1", "at least 0, below 1"),
        ("clipnorm=-1", "clipnorm takes a number, above 0, or none"),
        ("activation=rleu", "activation takes relu, relu6"),
        ("stateful=perhaps", "stateful takes true or false"),
        ("unit=3", "'unit' is not an axis; did you mean units?"),
        ("units", "write it as name=value"),
        ("batch_norm=before_activation", "batch_norm=before_activation needs a front end: set front_end=conv1d"),
        ("cell=rnn", "cell=rnn is not allowed; cell takes lstm, gru or simple_rnn"),
        ("recurrent_activation=none", "cell=lstm needs a recurrent_activation; `linear` stands for no activation"),
        ("front_end_activation=tanh", "front_end_activation=tanh needs a front end: set front_end=conv1d"),
    ],
)
def test_a_wrong_assignment_is_told_in_one_sentence(assignment: str, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        TrialConfig.parse(AXES.parse_assignments([assignment]), where="--set")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("--set")
    assert "\n" not in str(caught.value)


def test_an_axis_set_twice_is_refused() -> None:
    with pytest.raises(UserError, match="units is given twice"):
        AXES.parse_assignments(["units=1", "units=2"])


@pytest.mark.parametrize("axis", list(AXES))
def test_every_axis_says_what_it_is_and_what_it_takes(axis: str) -> None:
    assert AXES[axis].description
    assert AXES[axis].allowed()
