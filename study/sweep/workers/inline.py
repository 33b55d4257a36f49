"""Trials that run in the sweep's own process, one after the other: for tests and for small runs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from study.sweep.workers.base import Train, TrialFailed, Workers, train, why
from study.trial.design import Configuration
from study.trial.divergence import Divergence
from study.trial.result import TrialResult


class InlineWorkers(Workers):
    """One worker that is the process itself; a trial runs when its result is asked for.

    A trial that kills its process ends the sweep, as no other workers do.

    Args:
        population: Trials that are trained side by side.
        train: What is done with trials.
    """

    def __init__(self, *, population: int = 1, train: Train = train) -> None:
        self.device = "this process"
        self.count = 1
        self.together = population
        self._train = train
        self._tasks: deque[tuple[list[tuple[int, Configuration]], str, str]] = deque()
        self._collected: deque[tuple[int, TrialResult | TrialFailed]] = deque()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.clear()

    @property
    def busy(self) -> int:
        return len(self._collected) + sum(len(trials) for trials, _, _ in self._tasks)

    @property
    def free(self) -> int | None:
        return None if self._tasks else 0

    def submit(self, trials: Sequence[tuple[int, Configuration]], *, engine: str, divergence: Divergence) -> None:
        self._tasks.append((list(trials), engine, str(divergence)))

    def collect(self, *, timeout: float) -> tuple[int, TrialResult | TrialFailed] | None:
        if not self._collected and self._tasks and timeout > 0:
            self._run(*self._tasks.popleft())
        return self._collected.popleft() if self._collected else None

    def _run(self, trials: list[tuple[int, Configuration]], engine: str, divergence: str) -> None:
        configs = [json.dumps(config.as_json()) for _, config in trials]
        try:
            texts = self._train(configs, engine, self.together, divergence)
        except Exception as error:
            if len(trials) == 1:
                self._collected.append((trials[0][0], TrialFailed(why(error))))
                return
            # Nobody knows which of them it was: each by itself.
            self._tasks.extend(([trial], engine, divergence) for trial in trials)
            return
        for (number, config), text in zip(trials, texts, strict=True):
            result = TrialResult.from_json(text, design=config.design)
            assert result.config == config
            self._collected.append((number, result))

    def apply(
        self, function: Callable[..., str], calls: Sequence[tuple[str, ...]], *, stop: Callable[[], bool]
    ) -> Iterator[tuple[int, str | TrialFailed]]:
        for place, arguments in enumerate(calls):
            if stop():
                return
            try:
                yield place, function(*arguments)
            except Exception as error:
                yield place, TrialFailed(why(error))
