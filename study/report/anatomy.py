"""From a trial to its page: the replay and the drawing in one, as a command or a worker does it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from study.report.pages.anatomy import About, render, warnings
from study.trial.anatomy import TrialAnatomy
from study.trial.config import EXAMPLE, TrialConfig
from study.trial.design import Design
from study.trial.divergence import NONFINITE, Divergence
from study.trial.environment import versions
from study.trial.model_design import ModelConfig
from study.trial.result import TrialResult

if TYPE_CHECKING:
    from study.models.file import ModelFile


def page_of(
    config: TrialConfig | ModelConfig,
    about: About,
    *,
    model: ModelFile | None = None,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
) -> tuple[TrialResult[Any], str, list[str]]:
    """Train a trial again and draw it.

    Args:
        config: The trial.
        about: What a reader of the page has to know beside.
        model: The file of a trial of one.
        divergence: The event that ends the trial before its budget.
        on_update: Is told the number and the loss of every update.

    Returns:
        The result of this replay, the page, and what a reader has to know beside: the page's warnings.

    Raises:
        UserError: The model file cannot be trained.
    """
    anatomy = _anatomy_of(config, model, divergence=divergence, on_update=on_update)
    return anatomy.result, render(anatomy, about), warnings(anatomy.result, about)


def _anatomy_of(
    config: TrialConfig | ModelConfig,
    model: ModelFile | None,
    *,
    divergence: Divergence,
    on_update: Callable[[int, float], None] | None,
) -> TrialAnatomy:
    if isinstance(config, TrialConfig):
        from study.engine.onset.anatomy import anatomy_of

        return anatomy_of(config, divergence=divergence, on_update=on_update)
    from study.models.anatomy import anatomy_of as anatomy_of_model

    assert model is not None
    return anatomy_of_model(config, file=model, divergence=divergence, on_update=on_update)


def page_text(recorded: str, about: str, *, model: ModelFile | None = None, design: Design = EXAMPLE) -> str:
    """`page_of` for a worker: what travels is text.

    Args:
        recorded: The trial's result, JSON.
        about: Title, run id and versions of its run, JSON.
        model: The model file of the study.
        design: What its trials are made of.
    """
    result = TrialResult.from_json(recorded, design=design)
    values: dict[str, Any] = json.loads(about)
    about_run = About(recorded=result, versions=versions(), **values)
    return page_of(result.config, about_run, model=model, divergence=result.divergence)[1]
