"""What a notebook shows of one trial, from its anatomy: pictures with captions, and statistics as a table."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from study.trial.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from study.trial.anatomy import Anatomy, TrialAnatomy


def show_growth(anatomy: Anatomy) -> None:
    """Show how the states grow along the sequence in the update of the onset and the one before."""
    from study.report.figures.anatomy import by_timestep

    _show(by_timestep(anatomy))


def show_layers(anatomy: Anatomy) -> None:
    """Show the layers of a user's model, how large their numbers are, and which of them broke."""
    from study.report.figures.layer_map import drawn

    caption = "Largest number of each layer's output, of the gradient of it, and of its weights"
    _show([(caption, drawn(anatomy))])


def show_updates(anatomy: TrialAnatomy) -> None:
    """Show the loss and the sizes of states, gradients and weights by update."""
    from study.report.figures.anatomy import by_update

    result = anatomy.result
    _show(by_update(list(enumerate(result.loss, start=1)), result.growth, updates=result.updates))


def _show(pictures: list[tuple[str, str]]) -> None:
    import IPython.display

    # Its functions have no types.
    display: Any = IPython.display
    for caption, picture in pictures:
        drawn = base64.b64decode(picture.partition(",")[2]).decode()
        display.display(display.SVG(drawn.replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)))
        display.display(display.Markdown(f"*{caption}*"))


def statistics_of(anatomy: Anatomy, group: str) -> pd.DataFrame:
    """Statistics of a group of tensors, update by update.

    Args:
        anatomy: Of a trial.
        group: `inputs`, `states`, `outputs`, `gradients` or `weights`.

    Returns:
        A row for each tensor and snapshot, by both: `update`, and the statistics of `study.trial.reduction.Statistics`.

    Raises:
        UserError: No such group.
    """
    from dataclasses import asdict

    import pandas as pd

    groups = list(anatomy.snapshots[0].statistics)
    if group not in groups:
        raise UserError(f"{group}: is no group of a anatomy; those are {', '.join(groups)}")
    rows = [
        {"tensor": tensor, "snapshot": snapshot.name, "update": snapshot.update, **asdict(statistics)}
        for snapshot in anatomy.snapshots
        for tensor, statistics in snapshot.statistics[group].items()
    ]
    return pd.DataFrame(rows).set_index(["tensor", "snapshot"]).sort_index(level=0, sort_remaining=False)
