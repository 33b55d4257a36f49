"""A diagnosis as one HTML page that needs nothing from outside: the cause, its evidence, and what was tried."""

from __future__ import annotations

from study.diagnosis.result import Diagnosis
from study.diagnosis.trials import SEEDS
from study.report.figures.remedies import remedies_figure
from study.report.pages.template import template
from study.trial.model_sentence import sentence


def render(found: Diagnosis, *, title: str) -> str:
    """The page.

    Args:
        found: The answer.
        title: What was diagnosed.
    """
    cause = found.cause
    return template("diagnosis.html.j2").render(
        title=title,
        answers=_answers(found),
        facts=() if cause is None else cause.evidence,
        drawing=remedies_figure(found),
        remedies=[one.cells for one in found.remedies],
        others=found.also,
        seeds=SEEDS,
    )


def _answers(found: Diagnosis) -> list[str]:
    """The cause, what to change, and what was first."""
    if found.cause is None:
        return [found.healthy or ""]
    best = found.remedies[0] if found.remedies else None
    answers = [found.cause.sentence]
    if best is not None and best.holds:
        answers.append(f"What to change: {best.change}. All {len(best.runs)} seeds then stayed finite.")
    elif best is not None:
        answers.append(f"What may help: {best.change}. No change that was run held with every seed.")
    return answers + ([] if found.onset is None else [sentence(found.onset)])
