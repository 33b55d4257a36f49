"""`Remedy`: one change to a model that is ready to train, and what a user writes to make it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from study.models.prepared import Prepared
    from study.trial.axes import AxisValue
    from study.trial.config import TrialConfig


class CannotChange(Exception):
    """Why a change cannot be made to a model, as a clause: `its learning rate follows a schedule`."""


@dataclass(frozen=True)
class Remedy(ABC):
    """A change that may keep a training finite.

    To add one: a file with a frozen dataclass that answers `change` and `apply`, named in `study.diagnosis.remedies`,
    and `of_the_example` where an axis of the minimal example makes the same change. Its fields are numbers or texts, so
    that it travels to the process that runs it.

    Attributes:
        id: As the JSON and the tables name it.
        size: How much of the model, its data or its task it changes, from 1 (a setting) to 5 (another task). Of
            remedies that do equally well the smaller one is named first.
    """

    id: ClassVar[str]
    size: ClassVar[int]

    @property
    def key(self) -> str:
        """Tells it from other remedies of one diagnosis; the id, where there is one of a kind."""
        return self.id

    @property
    @abstractmethod
    def change(self) -> str:
        """What to write, in Keras's words."""

    @abstractmethod
    def apply(self, prepared: Prepared) -> Prepared:
        """The same trial with the change made, in place where that is possible.

        Raises:
            CannotChange: It cannot be made to this model from outside.
        """

    def of_the_example(self, config: TrialConfig) -> Mapping[str, AxisValue]:
        """The same change to a trial of the minimal example: axes and their values.

        Raises:
            CannotChange: No axis of the example makes it, or the trial is like that already.
        """
        raise CannotChange("no axis of the example makes it")
