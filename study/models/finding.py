"""The onset of an update that was not finite, whatever it takes to find it."""

from __future__ import annotations

import keras

from study.models.onset import ModelOnset
from study.models.step import Event
from study.models.walk import Walk, walk
from study.trial.tensor_name import TensorName


def onset_of(model: keras.Model, event: Event) -> tuple[ModelOnset, Walk | None]:
    """Walk an update again and find its first number that was not finite.

    Args:
        model: Compiled and built; it is left as it was found.
        event: The update.

    Returns:
        The onset, and what was computed when the update was repeated. Where it could not be repeated, or met nothing,
        the onset says so as a warning and tells no place.
    """
    walked: Walk | None = None
    try:
        walked = walk(model, event.moment)
        if walked.inherited and event.before is not None:
            # The optimizer's own can overflow without harm and do it an update later, as infinity less itself.
            earlier = walk(model, event.before, or_nearest=False)
            walked = walked if earlier.onset is None else earlier
        if walked.onset is not None:
            return walked.onset, walked
        why = "its repetition met no number that was not finite"
    except Exception as error:
        why = f"it could not be repeated operation by operation: {type(error).__name__}: {error}"
    onset = ModelOnset(
        update=event.moment.update,
        phase="loss" if event.loss else "optimizer",
        what=TensorName(role="loss" if event.loss else "a weight"),
        value="nan",
        warning=f"the update was not finite, but {why}",
    )
    return onset, walked
