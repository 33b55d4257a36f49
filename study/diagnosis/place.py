"""`Place`: where the trainings of a diagnosis are run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event
from typing import Protocol

from study.diagnosis.case import Case
from study.diagnosis.remedies.base import Remedy
from study.diagnosis.result import Run
from study.trial.design import Configuration

OnUpdate = Callable[[int, float], None]
"""Is told the number and the loss of every update."""


class Place(Protocol):
    """Processes of its own for a model file (`bench`), or the user's own for a model that is there (`session`).

    Attributes:
        processes: How many trainings it runs at a time.
        stop: Whether somebody wants it all to end.
    """

    @property
    def processes(self) -> int: ...

    @property
    def stop(self) -> Event: ...

    def examine(self, config: Configuration, on_update: OnUpdate) -> Case:
        """Train the unchanged model and measure it, or measure a training that there was.

        Raises:
            ModelError: The model cannot be trained.
            KeyboardInterrupt: It is to end.
        """
        ...

    def submit(self, config: Configuration, remedy: Remedy) -> Future[Run]:
        """Train with this change."""
        ...
