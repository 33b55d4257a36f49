"""YAML files that people write: read as YAML 1.2, checked by pydantic models, and each mistake told in one sentence.

YAML 1.2 (yaml.org/spec/1.2.2, its core schema) is what people mean: `no` and `on` are words, `010` is ten and `1:30` a
text, where PyYAML's 1.1 has truth values, an octal eight and ninety.

A model of a file says of each field what it takes, `takes("a sentence")`; `checked` turns what pydantic finds wrong
into `FILE: PLACE: takes a sentence, not 3`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WrapValidator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from study.trial.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]
"""Keys and positions on the way to a value, as pydantic gives them."""


def read_mapping(text: str, *, keys: tuple[str, ...], source: str) -> dict[Any, Any]:
    """Read YAML whose top level is a mapping, and no key of any mapping given twice.

    Raises:
        UserError: It is not YAML, or no mapping; `keys` are the ones named as allowed.
    """
    try:
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: Python's own, on a whole number of more than 4,300 digits.
        raise UserError(f"{source}: is not valid YAML: {reason(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{source}: must be a mapping with the keys {', '.join(keys)}")
    return content


class Entry(BaseModel):
    """A mapping of a file with keys of its own; base of the models of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            unknown = next((key for key in given if key not in cls.model_fields), None)
            if unknown is not None:
                raise wrong(cls.unknown(unknown))
        return given

    @classmethod
    def unknown(cls, key: object) -> str:
        """The sentence for a key that there is not."""
        return f"{shown(key)} is not known; allowed are {', '.join(cls.model_fields)}"


class _Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2, merge keys, and no key twice: PyYAML takes the last of two equal keys in silence."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if _is_plain(key)]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(problem=f"{twice!r} is given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


_MERGE = "tag:yaml.org,2002:merge"

for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    (_MERGE, "<<", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def _is_plain(key: yaml.Node) -> bool:
    """Whether a key is a scalar, and not the mark of a merge."""
    return isinstance(key, yaml.ScalarNode) and key.tag != _MERGE


WRONG: Literal["wrong"] = "wrong"
"""Pydantic's type of an error that has its sentence already."""


def takes(what: str) -> WrapValidator:
    """Say of a field what it takes, in words: `takes a sentence, not 3`. A mistake within the value is told there."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            if all(one["loc"] or one["type"] == WRONG for one in error.errors(include_url=False)):
                raise
            raise wrong(f"takes {what}, not {shown(value)}") from None

    return WrapValidator(check)


def wrong(problem: str) -> PydanticCustomError:
    """What a validator raises: its message is the sentence behind the place."""
    return PydanticCustomError(WRONG, "{problem}", {"problem": problem})


def wrong_at(key: str, problem: str) -> ValidationError:
    """What a validator of a mapping raises for one of its keys."""
    return ValidationError.from_exception_data("file", [InitErrorDetails(type=wrong(problem), loc=(key,), input=None)])


def one_of(choices: Any) -> WrapValidator:
    """Say of a field that it takes one of the values of a `Literal`."""
    *words, last = get_args(choices)
    return takes(f"{', '.join(words)} or {last}")


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return float(value) if isinstance(value, str) else value


WholeNumber = Annotated[int, BeforeValidator(_whole)]
"""A whole number, which may be written as 100, 1e2 or "100"."""

Count = Annotated[WholeNumber, Field(ge=1, le=10**9), takes("a whole number, at least 1")]
"""A number of things."""


def checked(model: type[Model], content: dict[Any, Any], *, source: str, place: Callable[[Place], str]) -> Model:
    """The content of a file as its model.

    Args:
        model: Of the file.
        content: What YAML gave.
        source: The file's name, put in front of every sentence.
        place: Names the place of a mistake; empty where the sentence names it itself.

    Raises:
        UserError: The first thing that is wrong.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        *way, last = first["loc"] or ("",)
        at, problem = (tuple(way), f"{last} is missing") if first["type"] == "missing" else (first["loc"], first["msg"])
        raise UserError(": ".join(filter(None, (source, place(at), problem)))) from None


def shown(value: Any) -> str:
    """A value for an error message, on one line and not too long."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return f"{text[:60]}..." if len(text) > 60 else text or "an empty text"


def reason(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
