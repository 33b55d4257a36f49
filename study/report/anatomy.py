"""From a trial to its page: the replay and the drawing in one, as a command or a worker does it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from study.report.pages.anatomy import About, render, warnings
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.environment import versions
from study.trial.result import TrialResult


def page_of(
    config: TrialConfig,
    about: About,
    *,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
) -> tuple[TrialResult, str, list[str]]:
    """Train a trial again and draw it.

    Args:
        config: The trial.
        about: What a reader of the page has to know beside.
        divergence: The event that ends the trial before its budget.
        on_update: Is told the number and the loss of every update.

    Returns:
        The result of this replay, the page, and what a reader has to know beside: the page's warnings.
    """
    from study.engine.onset.anatomy import anatomy_of

    anatomy = anatomy_of(config, divergence=divergence, on_update=on_update)
    return anatomy.result, render(anatomy, about), warnings(anatomy, about)


def page_text(recorded: str, about: str) -> str:
    """`page_of` for a worker: what travels is text.

    Args:
        recorded: The trial's result, JSON.
        about: Title, run id and versions of its run, JSON.
    """
    result = TrialResult.from_json(recorded)
    values: dict[str, Any] = json.loads(about)
    about_run = About(recorded=result, versions=versions(), **values)
    return page_of(result.config, about_run, divergence=result.divergence)[1]
