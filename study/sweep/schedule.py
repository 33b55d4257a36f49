"""Which trial a worker gets next: one of a structure it has compiled a program of, if there is one.

A program takes seconds to compile and serves every trial of its structure, within one worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.design import Configuration


class Schedule:
    """Trials that wait for a worker."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Hashable, Configuration]] = {}
        self._programs: dict[int, set[Hashable]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, number: int, config: Configuration) -> None:
        """Let a trial wait."""
        self._waiting[number] = structure_of(config), config

    def take(self, worker: int) -> tuple[int, Configuration]:
        """The next trial of a worker: number and config.

        A trial of a structure that it has a program of; else of one that no worker has; else of the one that most
        trials wait for. Among equals the one that was asked for first.
        """
        own = self._programs.setdefault(worker, set())
        anyones = set().union(*self._programs.values())
        waiting = Counter(structure for structure, _ in self._waiting.values())

        def rank(number: int) -> tuple[bool, bool, int, int]:
            structure, _ = self._waiting[number]
            return structure not in own, structure in anyones, -waiting[structure], number

        number = min(self._waiting, key=lambda n: rank(n) if rank(n)[0] else (False, False, 0, n))
        structure, config = self._waiting.pop(number)
        own.add(structure)
        return number, config

    def take_together(self, worker: int, *, at_most: int) -> dict[int, Configuration]:
        """The next trial of a worker, and those of its structure that were asked for first: configs by number."""
        number, config = self.take(worker)
        same = [other for other, (structure, _) in self._waiting.items() if structure == structure_of(config)]
        return {number: config} | {other: self._waiting.pop(other)[1] for other in sorted(same)[: at_most - 1]}


def structure_of(config: Configuration) -> Hashable:
    """What two trials have in common that one program can train."""
    return Structure.of(config) if isinstance(config, TrialConfig) else config.design
