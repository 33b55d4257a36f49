from __future__ import annotations

import contextlib
import math
import pickle
import re
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from study.trial.axes import Axes, Axis, Counted, as_text
from study.trial.config import AXES, EXAMPLE, TrialConfig
from study.trial.design import Configuration
from study.trial.errors import UserError

names = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True)
numbers = st.floats(-1e30, 1e30, allow_nan=False).map(lambda x: float(np.float32(x)))


@st.composite
def axis(draw: st.DrawFn, name: str | None = None) -> Axis:
    """Any axis that an annotation can describe."""
    name = name or draw(names)
    description = draw(st.text(max_size=10))
    match draw(st.sampled_from(["literal", "bool", "int", "float", "str"])):
        case "literal":
            choices = draw(st.lists(names.filter(lambda n: n != "none"), min_size=1, max_size=4, unique=True))
            annotation: Any = Literal[tuple(choices)]
            default: Any = choices[0]
        case "bool":
            annotation, default = bool, draw(st.booleans())
        case "int":
            default = draw(st.integers(1, 10**6))
            annotation = Annotated[int, Ge(1), Counted(logarithmic=draw(st.booleans()), unit=draw(names))]
        case "float":
            default = draw(numbers)
            annotation = draw(st.sampled_from([float, Annotated[float, Le(default)], Annotated[float, Ge(default)]]))
        case "str":
            annotation, default = str, draw(st.text(max_size=8))
    if draw(st.booleans()):
        annotation = annotation | None
    return Axis.annotated(name, annotation, default, description=description)


@st.composite
def value_of(draw: st.DrawFn, axis: Axis) -> Any:
    """Some value that an axis takes."""
    if axis.optional and draw(st.booleans()):
        return None
    if axis.choices:
        return draw(st.sampled_from(axis.choices))
    match axis.kind:
        case "bool":
            return draw(st.booleans())
        case "int":
            assert isinstance(axis.ge, int)
            return draw(st.integers(axis.ge, 2**40))
        case "float":
            return draw(st.floats(axis.ge, axis.le, allow_nan=False, allow_infinity=False, width=32))
        case "str":
            return draw(st.text(max_size=8).filter(lambda text: not axis.optional or text != "none"))


@given(st.data())
def test_a_value_written_as_text_is_read_back_as_the_very_same(data: st.DataObject) -> None:
    drawn = data.draw(axis())
    value = data.draw(value_of(drawn))
    back = drawn.validate(as_text(value))
    assert back == value
    assert type(back) is type(value)


@given(st.lists(axis(), max_size=5, unique_by=lambda one: one.name))
def test_axes_are_the_same_after_json_and_after_pickling(drawn: list[Axis]) -> None:
    axes = Axes(drawn)
    assert Axes.from_json(axes.to_json()) == axes
    assert pickle.loads(pickle.dumps(axes)) == axes
    assert hash(Axes.from_json(axes.to_json())) == hash(axes)
    assert list(axes) == [one.name for one in drawn]
    assert [type(one.default) for one in Axes.from_json(axes.to_json()).values()] == [type(a.default) for a in drawn]


@given(st.data())
def test_every_value_of_an_axis_is_its_own_or_refused_in_a_sentence(data: st.DataObject) -> None:
    drawn = data.draw(axis())
    anything = data.draw(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]))
    with contextlib.suppress(ValueError):
        value = drawn.validate(anything)
        assert drawn.validate(value) == value
        assert value is None or type(value).__name__ == drawn.kind
        return
    with pytest.raises(ValueError, match=re.escape(f"{drawn.name} takes {drawn.allowed()}")):
        drawn.validate(anything)


def test_the_example_has_the_axes_that_its_fields_describe() -> None:
    assert list(AXES) == list(TrialConfig.model_fields)
    assert AXES.defaults == TrialConfig().values()
    assert EXAMPLE.config(TrialConfig(units=3, clipnorm=None).as_json()) == TrialConfig(units=3, clipnorm=None)


def test_a_configuration_of_the_example_is_one_for_every_room() -> None:
    config: Configuration = TrialConfig(units=3)
    assert config.replacing(units=4) == TrialConfig(units=4)
    assert (config.seed, config.updates, config.values()["units"]) == (1, 100, 3)
    assert EXAMPLE.config(config.params()) == config


def test_what_differs_from_the_defaults_tells_a_configuration() -> None:
    for config in (TrialConfig(), TrialConfig(semantics="keras-2.2.4"), TrialConfig(front_end="conv1d", units=3)):
        assert EXAMPLE.config(EXAMPLE.differences(config)) == config


@pytest.mark.parametrize(
    ("annotation", "default", "allowed"),
    [
        (Literal["relu", "tanh"], "relu", "relu or tanh"),
        (Literal["adam"], "adam", "adam"),
        (Literal[8, 16, 32], 8, "8, 16 or 32"),
        (Literal["relu", None], None, "relu or none"),
        (Literal["relu", "tanh"] | None, "tanh", "relu, tanh or none"),
        (bool, True, "true or false"),
        (int, 64, "a whole number"),
        (float, 1, "a number"),
        (int | float, 1, "a number"),
        (str, "a", "a text"),
        (None, 64, "a whole number"),
        (None, 1e-3, "a number"),
        (None, "a", "a text"),
        (None, False, "true or false"),
        (float | None, None, "a number, or none"),
        (Annotated[float, Gt(0)] | None, 1.0, "a number, above 0, or none"),
        (Annotated[float | None, Field(gt=0, lt=1)], 0.5, "a number, above 0, below 1, or none"),
        (Annotated[int, Interval(ge=1, le=9)], 2, "a whole number, at least 1, at most 9"),
        (Annotated[Annotated[int, Ge(1)], Lt(9)], 2, "a whole number, at least 1, below 9"),
    ],
)
def test_an_annotation_says_what_an_axis_takes(annotation: Any, default: Any, allowed: str) -> None:
    made = Axis.annotated("rate", annotation, default)
    assert made.allowed() == allowed
    assert made.default == default


@pytest.mark.parametrize(
    ("annotation", "default", "complaint"),
    [
        (None, None, "rate: needs a type or a default"),
        (list[int], [1], "cannot be an axis; those are bool, int, float, str or Literal"),
        (int | str, 1, "cannot be an axis"),
        (int, None, "rate=none is not allowed; rate takes a whole number"),
        (Annotated[int, Ge(2)], 1, "rate=1 is not allowed; rate takes a whole number, at least 2"),
        (Literal["none", "relu"] | None, "relu", "cannot be unset, written none, and have the choice none too"),
        (Annotated[float, Counted(logarithmic=True)], 1.0, "only numbers above 0 count on a logarithmic scale"),
    ],
)
def test_what_cannot_be_an_axis_is_refused_in_a_sentence(annotation: Any, default: Any, complaint: str) -> None:
    with pytest.raises(UserError) as refused:
        Axis.annotated("rate", annotation, default)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("annotation", "default", "logarithmic", "step"),
    [
        (Annotated[float, Gt(0)], 1e-3, True, 1.0),
        (Annotated[float, Gt(0), Lt(1)], 0.25, False, 0.1),
        (Annotated[float, Ge(0)], 3e-4, False, 1e-4),
        (float, 0.0, False, 1.0),
        (int, 64, False, 10.0),
        (Annotated[int, Ge(1), Counted(logarithmic=True)], 64, True, 1.0),
        (Annotated[float, Counted(step=0.5)], 64, False, 0.5),
    ],
)
def test_how_a_number_counts(annotation: Any, default: Any, logarithmic: bool, step: float) -> None:
    made = Axis.annotated("rate", annotation, default)
    assert made.logarithmic == logarithmic
    assert math.isclose(made.step, step)


def test_a_range_that_counts_by_ratios_leaves_no_room_for_zero() -> None:
    counted = Axis.annotated("rate", float, 1e-3).on_logarithmic_scale()
    assert counted.logarithmic
    with pytest.raises(ValueError, match="above 0"):
        counted.validate(0)


@pytest.mark.parametrize(("name"), [name for name, axis in AXES.items() if axis.kind == "float"])
@pytest.mark.parametrize("value", [3.5e38, 1e39, 1.7e308, -1e39, "1e39"])
def test_a_number_beyond_float32_is_refused_for_every_real_axis(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} takes"):
        AXES[name].validate(value)


def test_a_number_that_float32_rounds_out_of_its_bounds_is_refused() -> None:
    # Half the smallest float32 above 0, 2**-149, rounds to 0; the last float64 below 1 rounds to 1.
    with pytest.raises(ValueError, match="in float32, in which a trial computes, 1e-46 is 0"):
        AXES["learning_rate"].validate(1e-46)
    with pytest.raises(ValueError, match=r"0\.9999999999999999 is 1"):
        AXES["recurrent_dropout"].validate(1 - 2**-53)
    largest = float(np.finfo(np.float32).max)
    assert AXES["learning_rate"].validate(largest) == largest


@pytest.mark.parametrize("written", ["none", "None", "NONE", "null", "~", None, " none "])
def test_an_unset_number_is_understood_however_it_is_written(written: object) -> None:
    assert AXES["clipnorm"].validate(written) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr", "learning_rate"),
        ("LR", "learning_rate"),
        ("learning-rate", "learning_rate"),
        ("bs", "batch_size"),
        ("batchsize", "batch_size"),
        ("seq_len", "timesteps"),
        ("epochs", "updates"),
        ("hidden_size", "units"),
        ("num_layers", "layers"),
        ("unit", "units"),
    ],
)
def test_a_name_that_people_use_leads_to_the_axis(given: str, meant: str) -> None:
    assert AXES.unknown(given) == f"{given!r} is not an axis; did you mean {meant}?"


def test_a_name_like_none_lists_what_there_is() -> None:
    assert "allowed are cell, activation, recurrent_activation" in AXES.unknown("zzz")


@pytest.mark.parametrize(
    ("axis", "value", "hint"),
    [
        ("activation", "rleu", "; did you mean relu?"),
        ("activation", "Tanh", "; did you mean tanh?"),
        ("batch_norm", "no", "; did you mean none?"),
        ("clipnorm", "non", "; did you mean none?"),
        ("units", "zzz", ""),
    ],
)
def test_a_value_that_is_nearly_right_leads_to_the_right_one(axis: str, value: str, hint: str) -> None:
    with pytest.raises(ValueError, match="is not allowed") as refused:
        AXES[axis].validate(value)
    assert str(refused.value).endswith(f"{AXES[axis].allowed()}{hint}")


def test_a_whole_number_may_be_written_as_a_power_of_ten() -> None:
    assert AXES["units"].validate("1e3") == 1000
    with pytest.raises(ValueError, match="whole number"):
        AXES["units"].validate("1.5")


def test_two_axes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="rate is there twice"):
        Axes([Axis.annotated("rate", int, 1), Axis.annotated("rate", float, 1)])
