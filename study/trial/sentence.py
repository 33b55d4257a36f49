"""The verdict on a trial of the example: what went wrong first, and what came of it, in a sentence."""

from __future__ import annotations

import math

from study.trial.config import TrialConfig
from study.trial.onset import Onset
from study.trial.phrases import exploded, grew, happened, later, place, tensor_words
from study.trial.result import TrialResult
from study.trial.words import has_features, is_recurrent, layer_words

GROWING = math.log(1.005)
"""Growth rate per timestep, of the natural logarithm, that is worth telling."""


def verdict(result: TrialResult) -> str:
    """What went wrong first in a trial, and what came of it, in a sentence.

    Positions are 0-based, as in `Onset`; updates and layers are numbered from 1.
    """
    onset = result.onset
    if onset is None:
        return _without_onset(result)
    unit = "feature" if has_features(onset.layer) else "unit"
    event = f"At update {onset.update} {_subject(onset, result.config)} {happened(onset)}{place(onset, unit=unit)}"
    growth, consequences = _growth_before(onset, result), _consequences(onset, result)
    sentence = f"{event}: {growth}; {consequences}." if growth else f"{event}; {consequences}."
    return f"{sentence} Note: {onset.warning}." if onset.warning else sentence


def _without_onset(result: TrialResult) -> str:
    if result.timeline is None:
        watched = f"the {result.engine} engine does not record which number was the first"
        return f"{_loss(result)}; {watched}."
    states = _at_the_end(result)
    if result.diverged:
        sentence = f"{_loss(result)}, and no number had stopped being finite"
    else:
        sentence = f"No number stopped being finite in {result.updates} updates"
        if result.outcome.exploded:
            sentence += f", but the loss exploded: {exploded(result.loss, result.exploded_above)}"
            return f"{sentence}; {states}." if states else f"{sentence}."
    return f"{sentence}: {states}." if states else f"{sentence}."


def _loss(result: TrialResult) -> str:
    """What the loss came to."""
    if result.diverged:
        return f"At update {result.updates} the loss {result.divergence.became(result.loss[-1])}"
    but = f" but exploded: {exploded(result.loss, result.exploded_above)}" if result.outcome.exploded else ""
    return f"The loss {result.divergence.stayed} for all {result.updates} updates{but}"


def _at_the_end(result: TrialResult) -> str:
    """How large the states were, and how fast they were growing; empty where that was not recorded."""
    last = result.growth.last() if result.growth else {}
    figures = [
        f"the largest |{symbol}| was {size:.3g}{'' if rate is None else f' and changed {grew(rate)} per timestep'}"
        for symbol, size, rate in (
            ("h", last.get("max_hidden"), last.get("hidden_growth")),
            ("c", last.get("max_cell"), last.get("cell_growth")),
        )
        if size is not None
    ]
    return f"at the end {', '.join(figures)}, through {result.config.activation}" if figures else ""


def _growth_before(onset: Onset, result: TrialResult) -> str | None:
    """How fast the states had been growing along the sequence, where they were."""
    if result.growth is None or onset.phase == "data" or onset.what.role in ("inputs", "labels"):
        return None
    of_cell = onset.what.derivative is None and onset.what.role in ("cell_state", "activated_cell_state")
    rates = result.growth.figures["cell_growth" if of_cell else "hidden_growth"]
    known = [
        rate
        for update, rate in zip(result.growth.updates, rates, strict=True)
        if update <= onset.update and rate is not None
    ]
    if not known or known[-1] < GROWING:
        return None
    cells = result.config.layers * (2 if result.config.bidirectional else 1)
    fastest = "the fastest-growing " if cells > 1 else "the "
    itself = of_cell and onset.what.role == "cell_state" and cells == 1
    subject = "it" if itself else f"{fastest}{'cell' if of_cell else 'hidden'} state"
    return f"{subject} had been growing {grew(known[-1])} per timestep, through {result.config.activation}"


def _consequences(onset: Onset, result: TrialResult) -> str:
    if not result.diverged:
        but = f" but exploded ({exploded(result.loss, result.exploded_above)})" if result.outcome.exploded else ""
        loss = f"the loss {result.divergence.stayed} to the end of the budget of {result.updates} updates{but}"
    elif onset.phase == "loss":
        loss = "the model's output was still finite"
    else:
        loss = f"the loss {result.divergence.became(result.loss[-1])} {later(result.updates, than=onset.update)}"
    weight = (result.timeline or {}).get("weight")
    if weight is None:
        return f"{loss}, and the weights stayed finite"
    if onset.phase == "optimizer" and onset.what.derivative is None:
        return loss
    when = later(weight, than=onset.update)
    if result.diverged and onset.phase != "loss":
        return f"{loss}, the weights {when}"
    return f"{loss}, and the weights were no longer finite {when}"


def _subject(onset: Onset, config: TrialConfig) -> str:
    """What the number belongs to, in words."""
    words = tensor_words(onset.what, optimizer=config.optimizer)
    owner = _owner(onset, config)
    subject = f"{words} of {owner}" if owner else words
    changed = onset.phase == "optimizer" and onset.what.derivative is None
    return f"{subject}, changed by the step," if changed else subject


def _owner(onset: Onset, config: TrialConfig) -> str | None:
    """The layer that a weight or a tensor of a recurrent cell belongs to; what is between layers says so itself."""
    layer = onset.layer
    if layer is None or onset.what.layer is not None or (onset.what.weight is None and not is_recurrent(layer)):
        return None
    direction = f", {onset.direction} direction" if config.bidirectional and onset.direction else ""
    return f"{layer_words(layer) or layer}{direction}"
