"""The events that a share is counted of, each a question to a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from study.claims.contrast import Event
from study.claims.samples import Trial
from study.trial.words import is_recurrent


def diverged(trial: Trial) -> bool | None:
    """Whether its loss was not finite within the budget."""
    return trial.diverged


def weights_finite_at_onset(trial: Trial) -> bool | None:
    """Whether the weights of the update with the first non-finite number were finite; of trials that diverge.

    In the timeline a weight counts for the update that starts from it (see `study.trial.timeline`). Where it and an
    activation begin in one update all the same, the phase of the very first number decides.
    """
    columns = ("nonfinite_gate", "nonfinite_cell_state", "nonfinite_hidden_state", "nonfinite_output", "nonfinite_loss")
    activations = [number for column in columns if (number := trial.number(column)) is not None]
    if not trial.diverged or not activations:
        return None
    weights = trial.number("nonfinite_weight")
    if weights is None or weights != min(activations):
        return weights is None or weights > min(activations)
    return trial.row.get("onset_phase") in ("forward", "loss")


def onset_in_recurrence(trial: Trial) -> bool | None:
    """Whether the first non-finite number is in a recurrent layer's forward pass and later than its first timestep.

    Of trials that diverge, and where the layer is known: an onset that was not found again tells the phase alone.
    """
    phase, layer = trial.row.get("onset_phase"), trial.row.get("onset_layer")
    if not trial.diverged or not isinstance(phase, str):
        return None
    if phase == "forward" and not isinstance(layer, str):
        return None
    timestep = trial.number("onset_timestep")
    return phase == "forward" and is_recurrent(str(layer)) and timestep is not None and timestep > 0


EVENTS: Mapping[Event, Callable[[Trial], bool | None]] = {
    "diverged": diverged,
    "weights_finite_at_onset": weights_finite_at_onset,
    "onset_in_recurrence": onset_in_recurrence,
}
"""Event -> whether a trial has it; None where it is no observation."""
