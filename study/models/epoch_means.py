"""The loss of every update, from what `fit` reports: after each update the mean over the epoch so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def losses_of_updates(means: Sequence[tuple[int, float]], epochs: Sequence[int], *, updates: int) -> list[float]:
    """Losses one by one, as if all batches were of one size.

    Of m(n), the mean over the first n updates of an epoch, the n-th loss is n m(n) - (n - 1) m(n - 1).

    Args:
        means: Number of an update and the mean reported after it, in order. Where several updates are made in a call,
            each of them is given their mean.
        epochs: How many updates had been made when each epoch began.
        updates: How many were made.

    Returns:
        (updates,); NaN of one that no mean tells of.
    """
    losses = [math.nan] * updates
    reported = dict(means)
    known = [*epochs, *reported]
    for before, number in pairwise(sorted(set(known))):
        began = max((epoch for epoch in epochs if epoch < number), default=0)
        if number not in reported or (before != began and before not in reported):
            continue
        total = (number - began) * reported[number]
        earlier = 0.0 if before == began else (before - began) * reported[before]
        losses[before:number] = [(total - earlier) / (number - before)] * (number - before)
    return losses
