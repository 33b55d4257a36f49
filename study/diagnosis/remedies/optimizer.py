"""Settings of the optimizer: its learning rate, clipping, epsilon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.diagnosis.remedies.base import CannotChange, Remedy

if TYPE_CHECKING:
    from study.models.prepared import Prepared
    from study.trial.axes import AxisValue
    from study.trial.config import TrialConfig


@dataclass(frozen=True)
class LearningRate(Remedy):
    """A learning rate lower by so many powers of ten."""

    id = "learning_rate"
    size = 1
    from_value: float
    decades: float

    def lowered(self, decades: float) -> LearningRate:
        """The same with another number of powers of ten."""
        return replace(self, decades=decades)

    @property
    def value(self) -> float:
        return float(f"{self.from_value * 10**-self.decades:.2g}")

    @property
    def change(self) -> str:
        return f"learning_rate={self.value:g}"

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.blame import ModelError
        from study.models.settings import set_learning_rate

        try:
            set_learning_rate(prepared.model, self.value, name=prepared.name)
        except ModelError as error:
            raise CannotChange("its learning rate follows a schedule") from error
        return prepared

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        return {"learning_rate": self.value}


@dataclass(frozen=True)
class ClipNorm(Remedy):
    """Each gradient clipped by its norm."""

    id = "clipnorm"
    size = 1
    value: float = 1.0

    @property
    def change(self) -> str:
        return f"clipnorm={self.value:g} in the optimizer"

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.settings import CLIPPING, set_clipping

        none = dict.fromkeys(CLIPPING, 0.0)
        set_clipping(prepared.model, none | {"clipnorm": self.value}, name=prepared.name)
        return prepared

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        if config.clipnorm is not None and config.clipnorm <= self.value:
            raise CannotChange(f"its clipnorm is {config.clipnorm:g} already")
        return {"clipnorm": self.value}


@dataclass(frozen=True)
class Epsilon(Remedy):
    """A larger epsilon in the optimizer's quotient."""

    id = "epsilon"
    size = 1
    value: float = 1e-7

    @property
    def change(self) -> str:
        return f"epsilon={self.value:g} in the optimizer"

    def apply(self, prepared: Prepared) -> Prepared:
        from study.models.settings import inner_optimizer

        optimizer = inner_optimizer(prepared.model)
        if getattr(optimizer, "epsilon", None) is None:
            raise CannotChange(f"{type(optimizer).__name__} has no epsilon")
        optimizer.epsilon = self.value
        return prepared
