"""Whether the watch and the independent way tell the same place of a random model."""

from __future__ import annotations

from study import NaNWatch
from study.models.onset import ModelOnset
from tests.models.random_models import BATCH, SAMPLES, Place, drawn, looked_for

EPOCHS = 2


def told_apart(seed: int) -> str | None:
    """What the two say where they do not say the same; None where they do."""
    given = drawn(seed)
    watch = NaNWatch(verbose=False)
    given.model.fit(
        given.x,
        given.y,
        sample_weight=given.weights,
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[watch],
    )
    again = drawn(seed)
    place = looked_for(again, updates=EPOCHS * SAMPLES // BATCH)
    if _same(watch.onset, place):
        return None
    return f"{again.about}\n    watch: {_short(watch.onset)}\n    whole tensors: {place}"


def _same(onset: ModelOnset | None, place: Place | None) -> bool:
    if onset is None or place is None:
        return onset is None and place is None
    if (onset.update, onset.phase) != (place.update, place.phase) or onset.warning is not None:
        return False
    if place.layer is not None and str(onset.layer).split("/")[0] != place.layer:
        return False
    if place.timestep is not None and onset.timestep != place.timestep:
        return False
    return place.rows is None or onset.row in place.rows


def _short(onset: ModelOnset | None) -> str:
    if onset is None:
        return "None"
    return (
        f"update {onset.update} {onset.phase} {onset.layer} {onset.tensor} t={onset.timestep} row={onset.row} "
        f"index={onset.index} value={onset.value} {dict(onset.operands)} {onset.warning or ''}"
    )
