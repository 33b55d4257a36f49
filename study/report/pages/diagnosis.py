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
        answers=[found.answer, *(() if found.onset is None else [sentence(found.onset)])],
        facts=() if cause is None else cause.evidence,
        drawing=remedies_figure(found),
        remedies=[one.cells for one in found.remedies],
        others=found.also,
        seeds=SEEDS,
    )
