"""The whole way of a diagnosis: train and measure, conclude, run remedies, conclude again from what they did."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from study.diagnosis.case import Case
from study.diagnosis.causes import CAUSES, Finding
from study.diagnosis.place import Place
from study.diagnosis.progress import Steps
from study.diagnosis.ranking import ranked
from study.diagnosis.record import Record
from study.diagnosis.remedies import LearningRate, Remedy
from study.diagnosis.result import Concluded, Diagnosis, Tried
from study.diagnosis.trials import Limits, Trials
from study.trial.design import Configuration
from study.trial.outcome import far_above

DECIDED = 0.99
"""Weight of a cause that a training from the start decides."""

LEAST = 0.25
"""Weight below which a cause is not named."""

SMALLEST, LARGEST = 40, 4
"""A remedy runs to this many updates at least, or so many times the updates to NaN, within the budget."""

NOT_AGAIN = (
    "begun again from the same weights, without the callbacks of fit and with the rows in another order, the unchanged "
    "model stayed finite for {} updates: that a remedy does proves little"
)


def diagnose(
    bench: Place, config: Configuration, *, limits: Limits, record: Record, steps: Steps, more: Sequence[Remedy] = ()
) -> Diagnosis:
    """Why a model goes to NaN, and what holds against it.

    Where it is stopped while remedies are run, the answer is what was tried until then.

    Args:
        bench: Where it is trained.
        config: The trial that is diagnosed.
        limits: What it may cost.
        record: What is known already; it is given what is found out.
        steps: Is told of what is being done.
        more: Remedies to try after those of the causes.

    Raises:
        ModelError: The model cannot be trained.
        KeyboardInterrupt: It was stopped before the unchanged model was measured.
    """
    began = time.monotonic()
    case = record.case
    if case is None:
        with steps.training(config.design.identity.get("model", "the minimal example"), config.updates) as on_update:
            case = bench.examine(config, on_update)
        record.keep_case(case)
    if case.onset is None and not case.diverged:
        return _healthy(case)
    findings = _findings(case)
    budget = budget_of(config, case)
    remedies = _remedies(findings, case)
    named = {remedy.key for remedy in remedies}
    remedies += [remedy for remedy in more if remedy.key not in named]
    trials = Trials(
        bench,
        config.replacing(updates=budget),
        time_to_nan=len(case.loss),
        limits=limits,
        deadline=began + 60 * limits.minutes,
        record=record,
        steps=steps,
    )
    steps.say(trials.cost(remedies, case))
    tried = trials.run(remedies)
    concluded = _concluded(case, findings, tried)
    if case.again is False:
        concluded[0] = replace(concluded[0], evidence=(*concluded[0].evidence, NOT_AGAIN.format(budget)))
    return Diagnosis(
        diverged=case.diverged,
        loss=case.loss,
        onset=case.onset,
        cause=concluded[0],
        also=concluded[1:],
        remedies=ranked(tried.values()),
    )


def budget_of(config: Configuration, case: Case) -> int:
    """Updates of a training with a remedy."""
    return min(config.updates, max(SMALLEST, LARGEST * len(case.loss)))


def causes_of(case: Case) -> list[Concluded]:
    """What is concluded from measurements alone, the likeliest first; at least that none of the known causes fits."""
    return _concluded(case, _findings(case), {})


def _findings(case: Case) -> dict[str, Finding]:
    found = {cause.id: finding for cause in CAUSES if (finding := cause.examine(case)) and finding.weight >= LEAST}
    return dict(sorted(found.items(), key=lambda item: -item[1].weight))


def _remedies(findings: Mapping[str, Finding], case: Case) -> list[Remedy]:
    """Each kind once: what decides between the causes, then those of the likeliest; a learning rate is worth a try."""
    remedies: dict[str, Remedy] = {}
    for finding in list(findings.values())[:1] + [finding for finding in findings.values() if finding.decides]:
        for remedy in finding.remedies[:1]:
            remedies.setdefault(remedy.key, remedy)
    for finding in findings.values():
        for remedy in finding.remedies:
            remedies.setdefault(remedy.key, remedy)
    decided = next(iter(findings.values())).weight >= 0.9 if findings else False
    if case.learning_rate is not None and not case.at_once and not decided:
        remedies.setdefault(LearningRate.id, LearningRate(case.learning_rate, 2.0))
    return list(remedies.values())


def _concluded(case: Case, findings: Mapping[str, Finding], tried: Mapping[str, Tried]) -> list[Concluded]:
    """Causes by weight, after what their remedies did: one whose first remedy held gains, one whose failed loses."""
    concluded = []
    for name, finding in findings.items():
        weight, evidence = finding.weight, list(finding.evidence)
        first = next((tried[one.key] for one in finding.remedies if one.key in tried and tried[one.key].runs), None)
        if first is not None and first.holds:
            own = first is tried.get(finding.remedies[0].key)
            weight = DECIDED if finding.decides and own else weight + 0.05
            evidence.append(
                f"all {len(first.runs)} seeds stayed finite for {first.budget} updates with: {first.change}"
            )
        elif first is not None:
            weight -= 0.3
            evidence.append(f"{first.survived} of {len(first.runs)} seeds stayed finite with: {first.change}")
        concluded.append(Concluded(id=name, weight=weight, sentence=finding.sentence, evidence=tuple(evidence)))
    return sorted(concluded, key=lambda one: -one.weight) or [_unknown(case)]


def _unknown(case: Case) -> Concluded:
    from study.trial.model_sentence import sentence

    shown = "no loss and no weight had stopped being finite" if case.onset is None else sentence(case.onset)
    return Concluded(id="unknown", weight=0.0, sentence="None of the known causes fits.", evidence=(shown,))


def _healthy(case: Case) -> Diagnosis:
    """Nothing goes wrong: say what was measured, and call a loss that rose and came back a spike."""
    losses = [loss for loss in case.loss if math.isfinite(loss)]
    if not losses:
        return Diagnosis(
            diverged=False, loss=case.loss, onset=None, cause=None, also=(), remedies=(), healthy="No loss is known."
        )
    typical = sorted(losses)[len(losses) // 2]
    highest = max(range(len(losses)), key=losses.__getitem__)
    words = f"Nothing stopped being finite in {len(case.loss)} updates; "
    words += f"the loss went from {losses[0]:.4g} to {losses[-1]:.4g}"
    came_back = losses[-1] < max(10 * abs(losses[0]), 10 * abs(typical)) and losses[-1] < losses[highest] / 5
    if losses[-1] > far_above(losses[0]):
        words += ", which is an explosion that has not overflowed yet: a lower learning rate is worth a try"
    elif losses[highest] > 10 * abs(typical) and highest < len(losses) - 1 and came_back:
        words += f", with a spike of {losses[highest]:.4g} at update {highest + 1} that came back"
    distance = math.log10(3.4e38 / max(max(map(abs, losses)), 1e-30))
    words += f"; its largest value was {distance:.0f} powers of ten from an overflow of float32."
    return Diagnosis(diverged=False, loss=case.loss, onset=None, cause=None, also=(), remedies=(), healthy=words)
