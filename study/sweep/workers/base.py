"""What a pool of workers has to answer, and what a worker does with trials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.divergence import Divergence, divergence_of
from study.trial.errors import UserError
from study.trial.result import TrialResult

Train = Callable[[Sequence[str], str, int | None, str], list[str]]
"""Configs, engine, population and the event that ends a trial in, results out, as text: what travels does not depend
on the project's classes."""


def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    """Run trials of one structure: configs as JSON in, results as JSON out, in the same order."""
    from study.engine import run

    parsed = [TrialConfig.model_validate_json(config) for config in configs]
    results = run(parsed, engine=engine, population=population, divergence=divergence_of(divergence))
    return [result.to_json() for result in results]


class TrialFailed(Exception):
    """A trial that has no result; the message says why."""


class Workers(ABC):
    """Trains trials, each worker one at a time or as many of one structure as the population is.

    A context manager: leaving it ends the workers.

    Attributes:
        device: What trains, in words.
        count: Number of workers.
        together: How many trials of one structure a worker can be handed at a time.
        note: A sentence for the person at the terminal on how many workers there are; empty if there is none to say.
    """

    device: str
    count: int
    together: int
    note: str = ""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers; what they have not handed over is lost."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Number of trials submitted and not collected."""

    @property
    @abstractmethod
    def free(self) -> int | None:
        """Number of a worker without trials, None where all have some."""

    @abstractmethod
    def submit(self, trials: Sequence[tuple[int, Configuration]], *, engine: str, divergence: Divergence) -> None:
        """Hand in trials, by number, for the worker that is `free`; more than one must be of one structure.

        Args:
            trials: Numbers and configurations.
            engine: What trains them.
            divergence: The event that ends a trial before its budget.
        """

    @abstractmethod
    def collect(self, *, timeout: float) -> tuple[int, TrialResult | TrialFailed] | None:
        """The next finished trial: its number, and its result or why it has none. None after `timeout` seconds.

        Raises:
            UserError: The workers went away and do not come back.
        """

    @abstractmethod
    def apply(
        self, function: Callable[..., str], calls: Sequence[tuple[str, ...]], *, stop: Callable[[], bool]
    ) -> Iterator[tuple[int, str | TrialFailed]]:
        """Run a function of texts in the workers, once for each call; what travels is text, as with trials.

        Args:
            function: What to run.
            calls: Its arguments.
            stop: Asked again and again; once it says yes, the rest is given up.

        Yields:
            The place of a call in `calls`, and the text or why there is none; in the order in which they finish.
        """


def why(error: BaseException) -> str:
    """The reason of a failed trial; an error that the user can mend says it all."""
    text = " ".join(str(error).split())[:400]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


OpenWorkers = Callable[[int], Workers]
"""Starts the workers for so many tasks; more than that many are of no use."""
