"""What people write is read as YAML 1.2; the expected values are from its specification, https://yaml.org/spec/1.2.2."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from pydantic import Field

from study.space.yaml_file import Count, Entry, checked, read_mapping, takes
from study.trial.errors import UserError


def read(value: str) -> Any:
    return read_mapping(f"value: {value}", keys=("value",), source="file")["value"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # Section 10.3.2, the core schema.
        ("null", None), ("~", None), ("", None), ("Null", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("0", 0), ("-19", -19), ("0o7", 7), ("0x3A", 58), ("+12", 12),
        ("0.", 0.0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000.0), ("-2E+05", -200000.0), ("1e-5", 1e-5),
        (".inf", math.inf), ("-.Inf", -math.inf),
        # What version 1.1 took for something else.
        ("010", 10), ("1:30", "1:30"), ("no", "no"), ("Yes", "Yes"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("1_000", "1_000"), ("0b11", "0b11"), ("2020-01-01", "2020-01-01"), ("None", "None"),
        ("'010'", "010"), ('"true"', "true"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_people_mean(written: str, meant: Any) -> None:
    assert read(written) == meant
    assert type(read(written)) is type(meant)


def test_a_number_that_is_none_is_a_number() -> None:
    assert math.isnan(read(".nan"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\na: 2", "file: is not valid YAML: 'a' is given twice"),
        ("value: {b: 1, b: 2}", "file: is not valid YAML: 'b' is given twice"),
        ("value: " + "9" * 5000, "file: is not valid YAML: Exceeds the limit"),
        ("value: !!python/name:os.system x", "file: is not valid YAML: could not determine a constructor"),
        ("3", "file: must be a mapping with the keys value"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        read_mapping(text, keys=("value",), source="file")
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


class Inner(Entry):
    size: Count


class Outer(Entry):
    name: Annotated[str, takes("a sentence")] = ""
    inner: Annotated[dict[str, Annotated[Inner, takes("a mapping of a size")]], takes("a mapping")] = Field(
        default_factory=dict
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"name": 3}, "file: name: takes a sentence, not 3"),
        ({"inner": 3}, "file: inner: takes a mapping, not 3"),
        ({"inner": {"a": 3}}, "file: inner.a: takes a mapping of a size, not 3"),
        ({"inner": {"a": {}}}, "file: inner.a: size is missing"),
        ({"inner": {"a": {"size": 0}}}, "file: inner.a.size: takes a whole number, at least 1, not 0"),
        ({"inner": {"a": {"size": True}}}, "file: inner.a.size: takes a whole number, at least 1, not True"),
        ({"inner": {"a": {"size": 1.5}}}, "file: inner.a.size: takes a whole number, at least 1, not 1.5"),
        ({"inner": {"a": {"size": 1, "sise": 2}}}, "file: inner.a: sise is not known; allowed are size"),
        ({1: 2}, "file: 1 is not known; allowed are name, inner"),
    ],
)
def test_a_mistake_is_told_where_it_is(content: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        checked(Outer, content, source="file", place=lambda way: ".".join(map(str, way)))
    assert str(refused.value) == sentence


def test_a_whole_number_may_be_written_in_several_ways() -> None:
    for written in (100, 100.0, "100", "1e2"):
        assert checked(Inner, {"size": written}, source="file", place=str).size == 100
