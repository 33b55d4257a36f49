"""A trial of a model file: which file, and the value of every axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from study.trial.axes import BUDGET, SEED, Axes, AxisValue, as_text
from study.trial.design import Design
from study.trial.errors import UserError

ENGINE = "keras"
"""What trains a model file: Keras's own training step."""


@dataclass(frozen=True, kw_only=True)
class ModelDesign(Design):
    """The axes of a model file. It holds nothing of the file's code, so that a study is read without it.

    Attributes:
        model: The file's name, without its folder.
        sha256: Of its bytes.
        file_axes: See `axes`.
    """

    model: str
    sha256: str
    file_axes: Axes

    @property
    def identity(self) -> dict[str, str]:
        """The file's name, and the SHA-256 of its bytes."""
        return {"model": self.model, "sha256": self.sha256}

    @property
    def axes(self) -> Axes:
        """Those of the file's functions, and those of every model."""
        return self.file_axes

    def config(self, values: Mapping[str, Any], *, where: str = "") -> ModelConfig:
        """The configuration with these values and else the defaults; see `Design.config`."""
        at = f"{where}: " if where else ""
        given = dict(values)
        named = given.pop("model", self.model), given.pop("sha256", self.sha256)
        if named[1] != self.sha256:
            raise UserError(
                f"{at}is of another text of {named[0]} (SHA-256 {named[1][:12]}..., not {self.sha256[:12]}...)"
            )
        checked = self.axes.parse(given, where=where)
        return ModelConfig(design=self, settings=tuple(checked.values()))


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One training run of a model file; see `study.trial.design.Configuration`.

    Attributes:
        design: The file, by name and hash, and its axes.
        settings: The value of every axis, in their order.
    """

    design: ModelDesign
    settings: tuple[AxisValue, ...]

    def __post_init__(self) -> None:
        assert len(self.settings) == len(self.axes)

    @property
    def axes(self) -> Axes:
        return self.design.axes

    @property
    def seed(self) -> int:
        return int(self[SEED] or 0)

    @property
    def updates(self) -> int:
        return int(self[BUDGET] or 0)

    def __getitem__(self, axis: str) -> AxisValue:
        return self.values()[axis]

    def values(self) -> dict[str, AxisValue]:
        return dict(zip(self.axes, self.settings, strict=True))

    def params(self) -> dict[str, str]:
        return {name: as_text(value) for name, value in self.values().items()}

    def replacing(self, **values: AxisValue) -> Self:
        assert values.keys() <= self.axes.keys()
        return replace(self, settings=tuple((self.values() | values).values()))

    def as_json(self) -> dict[str, Any]:
        return {**self.design.identity, **self.values()}
