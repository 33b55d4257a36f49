"""A remedy that can only be named: a line of the user's own code has to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.diagnosis.remedies.base import CannotChange, Remedy

if TYPE_CHECKING:
    from study.models.prepared import Prepared


@dataclass(frozen=True)
class LineOfCode(Remedy):
    """What to write in a line of the user's file."""

    id = "line"
    size = 1
    words: str

    @property
    def change(self) -> str:
        return self.words

    def apply(self, prepared: Prepared) -> Prepared:
        raise CannotChange("it is a line of the user's own code")
