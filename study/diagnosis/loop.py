"""The whole way of a diagnosis: train and measure, conclude, run remedies, conclude again from what they did."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from study.diagnosis.bench import Bench
from study.diagnosis.case import Case
from study.diagnosis.causes import CAUSES, Finding
from study.diagnosis.ranking import ranked
from study.diagnosis.remedies import LearningRate, LineOfCode, Remedy
from study.diagnosis.result import Concluded, Diagnosis, Run, Tried
from study.models.onset import ModelOnset
from study.trial.model_design import ModelConfig

SEEDS = 3
"""Trials of each remedy."""

LEAST = 0.25
"""Weight below which a cause is not named."""

SMALLEST, LARGEST = 40, 4
"""A remedy runs to this many updates at least, or so many times the updates to NaN, within the budget."""

DECADES = 12.0
"""How far down a learning rate is looked for, in factors of ten."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a diagnosis may cost.

    Attributes:
        trials: Trainings with a remedy, at most.
        minutes: Of wall time, after which no further remedy is begun.
    """

    trials: int = 30
    minutes: float = 10.0


def diagnose(
    bench: Bench, config: ModelConfig, *, limits: Limits, say: Callable[[str], None] = lambda sentence: None
) -> Diagnosis:
    """Why a model goes to NaN, and what holds against it.

    Args:
        bench: Where it is trained.
        config: The trial that is diagnosed.
        limits: What it may cost.
        say: Is told of progress, a sentence at a time.

    Raises:
        ModelError: The model cannot be trained.
    """
    began = time.monotonic()
    say(f"training {config.design.model} as it is")
    case = bench.examine(config)
    if case.onset is None:
        return _healthy(case)
    findings = _findings(case)
    budget = min(config.updates, max(SMALLEST, LARGEST * len(case.loss)))
    trials = _Trials(
        bench, config.replacing(updates=budget), limits=limits, deadline=began + 60 * limits.minutes, say=say
    )
    tried = trials.run(_remedies(findings, case))
    concluded = _concluded(findings, tried) or [_unknown(case.onset)]
    return Diagnosis(
        diverged=True,
        time_to_nan=len(case.loss) if not math.isfinite(case.loss[-1]) else None,
        onset=case.onset,
        cause=concluded[0],
        also=concluded[1:],
        remedies=ranked(tried.values()),
    )


def _findings(case: Case) -> dict[str, Finding]:
    found = {cause.id: finding for cause in CAUSES if (finding := cause.examine(case)) and finding.weight >= LEAST}
    return dict(sorted(found.items(), key=lambda item: -item[1].weight))


def _remedies(findings: Mapping[str, Finding], case: Case) -> list[Remedy]:
    """Each kind once, those of the likeliest cause first; a learning rate is always worth a try."""
    remedies: dict[str, Remedy] = {}
    for finding in findings.values():
        for remedy in finding.remedies:
            remedies.setdefault(remedy.id, remedy)
    decided = next(iter(findings.values())).weight >= 0.9 if findings else False
    if case.learning_rate is not None and not case.at_once and not decided:
        remedies.setdefault(LearningRate.id, LearningRate(case.learning_rate, 2.0))
    return list(remedies.values())


class _Trials:
    """Runs remedies, each with every seed, as far as the limits allow."""

    def __init__(
        self, bench: Bench, config: ModelConfig, *, limits: Limits, deadline: float, say: Callable[[str], None]
    ) -> None:
        self._bench, self._config, self._deadline, self._say = bench, config, deadline, say
        self._left = limits.trials

    def run(self, remedies: Sequence[Remedy]) -> dict[str, Tried]:
        found = {}
        for remedy in remedies:
            if isinstance(remedy, LineOfCode):
                found[remedy.id] = self._named(remedy, "it is a line of the model file itself")
            elif self._left < SEEDS:
                found[remedy.id] = self._named(remedy, "the trials are spent (--trials)")
            elif time.monotonic() > self._deadline:
                found[remedy.id] = self._named(remedy, "the time is spent (--minutes)")
            elif isinstance(remedy, LearningRate):
                found[remedy.id] = self._learning_rate(remedy)
            else:
                self._say(f"trying: {remedy.change}")
                found[remedy.id] = self._tried(remedy)
        return found

    def _named(self, remedy: Remedy, why: str) -> Tried:
        return Tried(
            id=remedy.id, change=remedy.change, size=remedy.size, runs=(), why=why, budget=self._config.updates
        )

    def _tried(self, remedy: Remedy) -> Tried:
        runs = self._runs(remedy, range(SEEDS))
        refused = next((run.refused for run in runs if run.refused), None)
        if refused is not None:
            return self._named(remedy, refused)
        return replace(self._named(remedy, ""), runs=tuple(runs), why=None)

    def _runs(self, remedy: Remedy, seeds: Sequence[int]) -> list[Run]:
        self._left -= len(seeds)
        waiting = [
            self._bench.submit(self._config.replacing(seed=self._config.seed + seed), [remedy]) for seed in seeds
        ]
        return [one.result() for one in waiting]

    def _learning_rate(self, first: LearningRate) -> Tried:
        """The largest learning rate that holds, to a factor of about three, by bisection of its logarithm.

        Exponents are of 10, below the learning rate that goes to NaN.
        """
        fails, holds, exponent = 0.0, math.inf, first.decades
        while holds - fails > 0.5 and self._left > SEEDS and time.monotonic() < self._deadline:
            tried = first.lowered(exponent)
            self._say(f"trying: {tried.change}")
            (run,) = self._runs(tried, [0])
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
            return self._named(first, "the trials or the time were spent before one was found")
        return self._tried(first.lowered(holds))


def _concluded(findings: Mapping[str, Finding], tried: Mapping[str, Tried]) -> list[Concluded]:
    """Causes by weight, after what their remedies did: one whose first remedy held gains, one whose failed loses."""
    concluded = []
    for name, finding in findings.items():
        weight, evidence = finding.weight, list(finding.evidence)
        first = next((tried[one.id] for one in finding.remedies if one.id in tried and tried[one.id].runs), None)
        if first is not None and first.holds:
            weight += 0.05
            evidence.append(
                f"all {len(first.runs)} seeds stayed finite for {first.budget} updates with: {first.change}"
            )
        elif first is not None:
            weight -= 0.3
            evidence.append(f"{first.survived} of {len(first.runs)} seeds stayed finite with: {first.change}")
        concluded.append(Concluded(id=name, weight=weight, sentence=finding.sentence, evidence=tuple(evidence)))
    return sorted(concluded, key=lambda one: -one.weight)


def _unknown(onset: ModelOnset) -> Concluded:
    from study.trial.model_sentence import sentence

    return Concluded(id="unknown", weight=0.0, sentence="None of the known causes fits.", evidence=(sentence(onset),))


def _healthy(case: Case) -> Diagnosis:
    """Nothing goes wrong: say what was measured, and call a loss that rose and came back a spike."""
    losses = case.loss
    typical = sorted(losses)[len(losses) // 2]
    highest = max(range(len(losses)), key=losses.__getitem__)
    words = (
        f"Nothing stopped being finite in {len(losses)} updates; the loss went from {losses[0]:.4g} to {losses[-1]:.4g}"
    )
    if losses[highest] > 10 * abs(typical) and highest < len(losses) - 1 and losses[-1] < losses[highest] / 5:
        words += f", with a spike of {losses[highest]:.4g} at update {highest + 1} that came back"
    distance = math.log10(3.4e38 / max(max(map(abs, losses)), 1e-30))
    words += f"; its largest value was {distance:.0f} powers of ten from an overflow of float32."
    return Diagnosis(diverged=False, time_to_nan=None, onset=None, cause=None, also=(), remedies=(), healthy=words)
