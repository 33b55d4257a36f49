"""`Axis`: one thing that a study can vary, and everything that is known of it.

An axis comes from an annotated name: a field of `TrialConfig`, or a parameter of a user's function.
`study.trial.axes.Axes` is an ordered set of them.
"""

from __future__ import annotations

import difflib
import math
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from types import UnionType
from typing import Annotated, Any, Literal, Self, TypeAlias, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic.fields import FieldInfo

from study.trial.errors import UserError

AxisValue: TypeAlias = str | bool | int | float | None
Kind: TypeAlias = Literal["str", "bool", "int", "float"]

NONE = "none"
"""How an unset value is written in files, on the command line and in MLflow."""

SEED = "seed"
"""The axis that says which random numbers are drawn. Every study has it; it tells nothing of an outcome."""
BUDGET = "updates"
"""The axis that says after how many updates a trial ends. Every study has it."""
LEARNING_RATE = "learning_rate"
"""The axis that the law of scaling is about, in any study that has it."""

BUDGET_COLUMN = "budget"
"""Column of a results table that holds it: a table's `updates` are those that were run."""
_UNSET = (NONE, "null", "~")
_KINDS: dict[type, Kind] = {str: "str", bool: "bool", int: "int", float: "float"}
_NOUNS: dict[Kind, str] = {"str": "a text", "bool": "true or false", "int": "a whole number", "float": "a number"}
_INT64 = 2**63


def as_text(value: Any) -> str:
    """Write one axis value so that its axis reads the very same value back."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def column_of(axis: str) -> str:
    """Name of an axis's column in a results table: `budget` for `updates`, else the axis's own."""
    return BUDGET_COLUMN if axis == BUDGET else axis


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What an annotation can say of an axis beyond its type and bounds: `Annotated[float, Gt(0), Counted(...)]`."""

    logarithmic: bool | None = None
    """Whether equal ratios are equal steps; None: of a real number that is above 0 and has no upper bound."""
    step: float | None = None
    """The difference that a hazard ratio is given for; None: the power of ten next below the default."""
    unit: str = ""
    """What the numbers count, in words, such as `updates` or `rate`."""
    also: tuple[str, ...] = ()
    """Other names under which people look for it, such as `lr`."""
    bounded: tuple[str, ...] = ()
    """Choices that keep what they act on within bounds, as `tanh` does."""
    later: bool = False
    """Whether there are studies from before there was such an axis: their trials are at its default."""


def _number(value: Any) -> Any:
    """Refuse what is no number but would be taken for one: `true` is not 1 layer."""
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


def _whole(value: Any) -> Any:
    """Let a whole number be written as people write it: `1e3` is 1000."""
    if isinstance(value, str) and not value.strip().lstrip("+-").isdigit():
        return float(value)
    return _number(value)


_ADAPTERS: dict[Kind, TypeAdapter[Any]] = {
    "str": TypeAdapter(str),
    "bool": TypeAdapter(bool),
    "int": TypeAdapter(Annotated[int, BeforeValidator(_whole)]),
    "float": TypeAdapter(Annotated[float, BeforeValidator(_number)], config=ConfigDict(allow_inf_nan=False)),
}


@checked_dataclass(frozen=True, kw_only=True, config=ConfigDict(allow_inf_nan=False))
class Axis:
    """One axis: what it takes, what it stands at unless told otherwise, and how its numbers count.

    Frozen, hashable, picklable; `study.trial.axes.Axes` writes it as JSON and reads it back.

    Example:
        >>> axis = Axis.annotated("rate", Annotated[float, Gt(0)] | None, 0.5)
        >>> axis.allowed()
        'a number, above 0, or none'
        >>> axis.validate("1e-3")
        0.001
    """

    name: str
    kind: Kind
    """Type of its values, by the name of the Python type."""
    default: AxisValue
    optional: bool = False
    """Whether it may be unset: None, written `none`."""
    choices: tuple[AxisValue, ...] = ()
    """The values it takes, in the documented order; none where it takes all of its kind within the bounds."""
    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None
    logarithmic: bool = False
    """Whether equal ratios, not equal differences, are equal steps; only where no value is 0 or below."""
    step: float = 1.0
    """The difference that a hazard ratio is given for; on a logarithmic scale that is a doubling instead."""
    unit: str = ""
    """What its numbers count, in words."""
    description: str = ""
    also: tuple[str, ...] = ()
    """Other names under which people look for it."""
    bounded: tuple[str, ...] = ()
    """Choices that have something in common: they keep what they act on within bounds."""
    later: bool = False
    """Whether there are tables and runs from before there was such an axis: their trials are at its default."""

    def __post_init__(self) -> None:
        if self.optional and NONE in self.choices:
            raise ValueError(f"{self.name}: cannot be unset, written {NONE}, and have the choice {NONE} too")
        if self.logarithmic and not (self.is_numeric and self._is_positive):
            raise ValueError(f"{self.name}: only numbers above 0 count on a logarithmic scale")
        if not self.step > 0:
            raise ValueError(f"{self.name}: a step is a difference above 0, not {self.step:g}")
        # A default of 1 of a real number is 1.0; the field is frozen.
        object.__setattr__(self, "default", self.validate(self.default))

    @classmethod
    def annotated(cls, name: str, annotation: Any, default: Any, *, description: str = "") -> Self:
        """The axis of an annotated name.

        Args:
            name: Of the axis.
            annotation: `bool`, `int`, `float`, `str` or a `Literal`, each alone, `| None`, or in `Annotated` with
                bounds (those of `annotated_types`, or pydantic's `Field`) and `Counted`. `int | float` is a real
                number; None takes the default's type.
            default: A value the axis takes.
            description: What it is; an annotation's own comes first.

        Raises:
            UserError: Another annotation, or a default that the axis does not take.
        """
        parts = _Parts.of(type(default) if annotation is None else annotation)
        if not parts.choices and not parts.types:
            raise UserError(f"{name}: needs a type or a default; an axis is a bool, int, float, str or Literal")
        types = {type(choice) for choice in parts.choices} | set(parts.types)
        kind = "float" if types == {int, float} else _KINDS.get(types.pop()) if len(types) == 1 else None
        if kind is None:
            type_ = annotation.__qualname__ if isinstance(annotation, type) else annotation
            raise UserError(f"{name}: {type_} cannot be an axis; those are bool, int, float, str or Literal")
        bounds = {bound: value for one in parts.bounds for bound, value in asdict(one).items()}
        counted = parts.counted or Counted()
        values: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "default": default,
            "optional": parts.optional,
            "choices": parts.choices,
            "description": parts.description or description,
            "unit": counted.unit,
            "also": counted.also,
            "bounded": counted.bounded,
            "later": counted.later,
            **bounds,
        }
        positive = bounds.get("gt", -1) >= 0 or bounds.get("ge", 0) > 0
        open_above = kind == "float" and not parts.choices and bounds.keys().isdisjoint(("le", "lt"))
        logarithmic = positive and open_above if counted.logarithmic is None else counted.logarithmic
        step = counted.step or (1.0 if logarithmic else _power_of_ten(default, whole=kind == "int"))
        try:
            return cls(**values, logarithmic=logarithmic, step=step)
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"][:1] == ("default",):
                raise UserError(f"{name}={as_text(default)} cannot be the default of an axis") from error
            raise UserError(str(first["msg"]).removeprefix("Value error, ")) from error

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers, which have an order and distances."""
        return self.kind in ("int", "float")

    @property
    def column(self) -> str:
        """Name of its column in a results table: `budget` for `updates`, else its own."""
        return column_of(self.name)

    @property
    def label(self) -> str:
        """What stands at a figure's axis: the column, and what its numbers count."""
        return f"{self.column} ({self.unit})" if self.unit else self.column

    @property
    def _is_positive(self) -> bool:
        return (
            (self.gt is not None and self.gt >= 0)
            or (self.ge is not None and self.ge > 0)
            or (bool(self.choices) and all(isinstance(c, int | float) and c > 0 for c in self.choices))
        )

    def on_logarithmic_scale(self) -> Self:
        """The same axis with numbers that count by their ratios, if its default lets it: 0 has none."""
        if self.logarithmic or (isinstance(self.default, int | float) and self.default <= 0):
            return self
        ge, gt = (self.ge, self.gt) if self._is_positive else (None, 0)
        return replace(self, logarithmic=True, step=1.0, ge=ge, gt=gt)

    def validate(self, value: object) -> AxisValue:
        """Check one value and give it the axis's type; text such as `1e-5`, `true` or `none` is understood.

        A real number must keep to the bounds in float32 too, in which a trial computes.

        Raises:
            ValueError: The axis does not take that value. The message is the sentence for it, `explain`.
        """
        if self.optional and self._stands_for_unset(value):
            return None
        try:
            checked: AxisValue = _ADAPTERS[self.kind].validate_python(value)
        except ValidationError:
            raise ValueError(self.explain(value)) from None
        if self.choices:
            allowed = checked in self.choices
        elif isinstance(checked, float):
            allowed = self._holds(checked) and self._holds(_float32(checked))
        else:
            allowed = not isinstance(checked, int) or (self._holds(checked) and -_INT64 <= checked < _INT64)
        if not allowed:
            raise ValueError(self.explain(value))
        return checked

    def _stands_for_unset(self, value: object) -> bool:
        if self.kind == "str" and not self.choices:
            return value is None or value == NONE
        return value is None or (isinstance(value, str) and value.strip().lower() in _UNSET)

    def _holds(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
            and (self.lt is None or number < self.lt)
        )

    def allowed(self) -> str:
        """What it takes, in words: `relu, tanh or linear`, `a whole number, at least 1`."""
        if self.choices:
            return _or([*map(as_text, self.choices), *([NONE] if self.optional else [])])
        words = [_NOUNS[self.kind]]
        for word, bound in (("at least", self.ge), ("above", self.gt), ("at most", self.le), ("below", self.lt)):
            words += [] if bound is None else [f"{word} {bound}"]
        return ", ".join(words) + (f", or {NONE}" if self.optional else "")

    def explain(self, value: object) -> str:
        """Why it does not take a value: `units=0 is not allowed; units takes a whole number, at least 1`."""
        return f"{self.name}={as_text(value)} is not allowed; {self.name} takes {self.allowed()}{self.hint(value)}"

    def hint(self, value: object) -> str:
        """What may have been meant by a value that it does not take, as the end of a sentence; mostly nothing."""
        if self.choices or self.optional:
            written = [*map(as_text, self.choices), *([NONE] if self.optional else [])]
            near = difflib.get_close_matches(as_text(value).lower(), written, n=1)
            if near:
                return f"; did you mean {near[0]}?"
        if self.kind == "float" and not self.choices:
            try:
                number = float(value)  # type: ignore[arg-type]  # what cannot be a number raises, and has no hint
            except (TypeError, ValueError, OverflowError):
                return ""
            if math.isfinite(number) and self._holds(number) and not isinstance(value, bool):
                return f"; in float32, in which a trial computes, {as_text(value)} is {_float32(number):g}"
        return ""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What an annotation is made of."""

    types: tuple[type, ...] = ()
    choices: tuple[Any, ...] = ()
    optional: bool = False
    bounds: tuple[Ge | Gt | Le | Lt, ...] = ()
    counted: Counted | None = None
    description: str = ""

    @classmethod
    def of(cls, annotation: Any) -> _Parts:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if annotation in (None, type(None)):
            return cls(optional=True)
        if origin is Literal:
            return cls(choices=tuple(c for c in arguments if c is not None), optional=None in arguments)
        if origin in (Union, UnionType):
            return cls._joined([cls.of(argument) for argument in arguments])
        if origin is Annotated:
            return cls._joined([cls.of(arguments[0]), *map(cls._said, _flat(arguments[1:]))])
        return cls(types=(annotation,))

    @classmethod
    def _said(cls, metadata: Any) -> _Parts:
        match metadata:
            case Ge() | Gt() | Le() | Lt():
                return cls(bounds=(metadata,))
            case Counted():
                return cls(counted=metadata)
            case FieldInfo(description=str(description)):
                return cls(description=description)
        return cls()

    @classmethod
    def _joined(cls, parts: list[_Parts]) -> _Parts:
        return cls(
            types=tuple(one for part in parts for one in part.types),
            choices=tuple(choice for part in parts for choice in part.choices),
            optional=any(part.optional for part in parts),
            bounds=tuple(bound for part in parts for bound in part.bounds),
            counted=next((part.counted for part in parts if part.counted), None),
            description=next((part.description for part in parts if part.description), ""),
        )


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    """Metadata one by one: `Interval` holds several bounds, and pydantic's `Field` more metadata."""
    for one in metadata:
        yield one
        if isinstance(one, GroupedMetadata):
            yield from _flat(tuple(one))
        elif isinstance(one, FieldInfo):
            yield from _flat(tuple(one.metadata))


def _power_of_ten(default: object, *, whole: bool) -> float:
    if isinstance(default, bool) or not isinstance(default, int | float) or default == 0 or not math.isfinite(default):
        return 1.0
    power = 10.0 ** math.floor(math.log10(abs(default)))
    return max(power, 1.0) if whole else power


def _float32(number: float) -> float:
    """The nearest number of float32, infinity beyond its largest."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return rounded


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
