"""Runs remedies, each with every seed, within limits, and until it is stopped.

They are run in their order. A process that would have nothing to do begins with the seeds of the remedies that follow:
a search for a learning rate takes one training after another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from study.diagnosis.bench import POLL_SECONDS
from study.diagnosis.case import Case
from study.diagnosis.place import Place
from study.diagnosis.progress import Steps
from study.diagnosis.record import Record, key
from study.diagnosis.remedies import LearningRate, LineOfCode, Remedy
from study.diagnosis.result import Run, Tried
from study.sweep.progress import shown_duration
from study.trial.design import Configuration

SEEDS = 3
"""Trials of each remedy."""

DECADES = 12.0
"""How far down a learning rate is looked for, in factors of ten."""

MARGIN = 0.3
"""Below the largest that held, in factors of ten: at the very edge another seed would not hold."""

OF_A_SEARCH = 4
"""Trainings by which a learning rate is usually found, beside those with every seed."""

LEFT_FOR_A_SEARCH = 14
"""Trainings that are left to a search, its last ones with every seed among them, before others are begun beside it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a diagnosis may cost.

    Attributes:
        trials: Trainings with a remedy, at most; those of an earlier command count too.
        minutes: Of wall time, after which no remedy is waited for.
    """

    trials: int = 30
    minutes: float = 10.0


class Trials:
    """The trainings of one diagnosis.

    Args:
        bench: Where they are run.
        config: The trial, with the budget that remedies have.
        time_to_nan: Updates of the unchanged model until it went wrong.
        limits: What they may cost.
        deadline: When they end, by `time.monotonic`.
        record: What is known already; it is given every training that has ended.
        steps: Is told of what is being tried.
    """

    def __init__(
        self,
        bench: Place,
        config: Configuration,
        *,
        time_to_nan: int,
        limits: Limits,
        deadline: float,
        record: Record,
        steps: Steps,
    ) -> None:
        self._bench, self._config, self._limits, self._deadline = bench, config, limits, deadline
        self._time_to_nan = time_to_nan
        self._record, self._steps = record, steps
        self._counted: set[str] = set()
        self._broken = False
        self._following: Sequence[Remedy] = ()
        self._ahead: dict[Future[Run], tuple[Configuration, Remedy]] = {}
        self._said: set[str] = set()

    def cost(self, remedies: Sequence[Remedy], case: Case) -> str:
        """How long the remedies will take, in a sentence."""
        run = [remedy for remedy in remedies if not isinstance(remedy, LineOfCode)]
        wanted = sum(SEEDS + (OF_A_SEARCH if isinstance(remedy, LearningRate) else 0) for remedy in run)
        known = len(self._record.runs)
        left = max(0, min(wanted, self._limits.trials) - known)
        one = case.seconds_before + self._config.updates * case.seconds
        seconds = left * one / self._bench.processes
        words = (
            f"{left} trainings with a remedy are left{f', {known} are known' if known else ''}: up to "
            f"{self._config.updates} updates each, at {case.seconds:.2g} s an update: about {shown_duration(seconds)}"
        )
        within = 60 * self._limits.minutes
        return words + (f"; they stop after {shown_duration(within)} (--minutes)" if seconds > within else "")

    def run(self, remedies: Sequence[Remedy]) -> dict[str, Tried]:
        """Run one after another; what came of each, by its key."""
        found = {}
        for place, remedy in enumerate(remedies, start=1):
            self._following = [one for one in remedies[place:] if not isinstance(one, LineOfCode | LearningRate)]
            if isinstance(remedy, LineOfCode):
                found[remedy.key] = self._named(remedy, "it is a line that only its author can change")
            elif isinstance(remedy, LearningRate):
                found[remedy.key] = self._learning_rate(remedy)
            else:
                found[remedy.key] = self._tried(remedy)
        for future in self._ahead:
            future.cancel()
        return found

    @property
    def _left(self) -> int:
        return self._limits.trials - len(self._counted)

    def _over(self) -> str | None:
        """Why no training is waited for any more."""
        if self._broken:
            return "a process of it was ended from outside; is there enough memory?"
        if self._bench.stop.is_set():
            return "it was interrupted before"
        return "the time is spent (--minutes)" if time.monotonic() > self._deadline else None

    def _named(self, remedy: Remedy, why: str) -> Tried:
        return Tried(
            id=remedy.id, change=remedy.change, size=remedy.size, runs=(), why=why, budget=self._config.updates
        )

    def _tried(self, remedy: Remedy) -> Tried:
        runs = self._runs(remedy, range(SEEDS))
        refused = next((run.refused for run in runs if run.refused), None)
        if refused is not None:
            return self._named(remedy, refused)
        why = None if len(runs) == SEEDS else self._over() or "the trials are spent (--trials)"
        return replace(self._named(remedy, ""), runs=tuple(runs), why=why)

    def _runs(self, remedy: Remedy, seeds: Sequence[int]) -> list[Run]:
        """Of these seeds, counted from the trial's own; as many as there was time for."""
        configs = [self._config.replacing(seed=self._config.seed + seed) for seed in seeds]
        keys = [key(config, remedy) for config in configs]
        if self._left < len(set(keys) - self._counted):
            return []
        self._counted |= set(keys)
        new = [config for config, one in zip(configs, keys, strict=True) if one not in self._record.runs]
        if new and self._over() is None:
            self._say(remedy)
            self._train(remedy, new)
        # What cannot be made costs no training.
        self._counted -= {one for one in keys if one in self._record.runs and self._record.runs[one].refused}
        return [self._record.runs[one] for one in keys if one in self._record.runs]

    def _train(self, remedy: Remedy, configs: Sequence[Configuration]) -> None:
        begun = {key(*training): future for future, training in self._ahead.items()}
        own = [begun.get(key(config, remedy)) or self._bench.submit(config, remedy) for config in configs]
        waiting = dict(zip(own, configs, strict=True))
        for future in own:
            self._ahead.pop(future, None)
        while waiting:
            for done in wait([*waiting, *self._ahead], timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done:
                ended = (waiting.pop(done), remedy) if done in waiting else self._ahead.pop(done)
                try:
                    self._record.keep(*ended, done.result())
                except BrokenProcessPool:
                    self._broken = True
            if self._over() is not None:
                break
            if waiting:
                self._begin_ahead(remedy, processes=self._bench.processes - len(waiting) - len(self._ahead))
        for one in waiting:
            one.cancel()

    def _begin_ahead(self, now: Remedy, *, processes: int) -> None:
        """Begin as many trainings of the remedies that follow as there are processes with nothing to do.

        They count from here on, so that there are never more than are allowed.
        """
        kept_free = LEFT_FOR_A_SEARCH if isinstance(now, LearningRate) else 0
        begun = {key(*training) for training in self._ahead.values()}
        for remedy in self._following:
            for seed in range(SEEDS):
                config = self._config.replacing(seed=self._config.seed + seed)
                one = key(config, remedy)
                if processes <= 0 or (one not in self._counted and self._left <= kept_free + SEEDS):
                    return
                if one in begun or one in self._record.runs:
                    continue
                self._counted.add(one)
                self._say(remedy)
                self._ahead[self._bench.submit(config, remedy)] = config, remedy
                processes -= 1

    def _say(self, remedy: Remedy) -> None:
        if remedy.change not in self._said:
            self._said.add(remedy.change)
            self._steps.say(f"trying: {remedy.change}")

    def _learning_rate(self, first: LearningRate) -> Tried:
        """Half of the largest learning rate that holds, which is found to a factor of three by bisecting its logarithm.

        Exponents are of 10, below the learning rate that goes to NaN.
        """
        fails, holds, exponent = 0.0, math.inf, first.decades
        while holds - fails > 0.5:
            tried = first.lowered(exponent)
            runs = self._runs(tried, [0])
            if not runs:
                break
            (run,) = runs
            if run.refused:
                return self._named(first, run.refused)
            if run.diverged:
                fails = exponent
                if exponent >= DECADES:
                    return replace(self._named(tried, ""), runs=(run,), why=None)
            else:
                holds = exponent
            exponent = min(2 * exponent, DECADES) if math.isinf(holds) else (fails + holds) / 2
        if math.isinf(holds):
            return self._named(first, self._over() or "the trials were spent before one was found (--trials)")
        lowered = min(holds + MARGIN, DECADES)
        while True:
            found = self._tried(first.lowered(lowered))
            if found.holds or found.why is not None or self._left < SEEDS or lowered >= DECADES:
                return replace(found, beside=self._beside(lowered))
            lowered = min(lowered + 0.5, DECADES)  # it held with one seed, and does not with all

    def _beside(self, decades: float) -> str:
        """What is to be known of a learning rate that is lower by so many factors of ten."""
        words = "half of the largest that held, or less"
        as_far = self._time_to_nan * 10**decades
        if as_far <= self._config.updates:
            return words
        update = f"{as_far:.0f}" if as_far < 1e5 else f"{as_far:.0e}"
        return f"{words}; by the size of its steps it may only put it off, to about update {update}"
