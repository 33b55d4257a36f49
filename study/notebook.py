"""What a notebook shows of one trial, from its dissection: pictures with captions, and statistics as a table."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from study.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from study.anatomy.dissection import Dissection


def show_growth(dissection: Dissection) -> None:
    """Show how the states grow along the sequence in the update of the onset and the one before."""
    from study.anatomy.figures import by_timestep

    _show(by_timestep(dissection))


def show_updates(dissection: Dissection) -> None:
    """Show the loss and the sizes of states, gradients and weights by update."""
    from study.anatomy.figures import by_update

    _show(by_update(dissection.result))


def _show(pictures: list[tuple[str, str]]) -> None:
    import IPython.display

    # Its functions have no types.
    display: Any = IPython.display
    for caption, picture in pictures:
        display.display(display.SVG(base64.b64decode(picture.partition(",")[2])))
        display.display(display.Markdown(f"*{caption}*"))


def statistics_of(dissection: Dissection, group: str) -> pd.DataFrame:
    """Statistics of a group of tensors, update by update.

    Args:
        dissection: Of a trial.
        group: `inputs`, `states`, `outputs`, `gradients` or `weights`.

    Returns:
        A row for each tensor and snapshot, by both: `update`, and the statistics of `study.anatomy.reduce.Statistics`.

    Raises:
        UserError: No such group.
    """
    from dataclasses import asdict

    import pandas as pd

    groups = list(dissection.snapshots[0].statistics)
    if group not in groups:
        raise UserError(f"{group}: is no group of a dissection; those are {', '.join(groups)}")
    rows = [
        {"tensor": tensor, "snapshot": snapshot.name, "update": snapshot.update, **asdict(statistics)}
        for snapshot in dissection.snapshots
        for tensor, statistics in snapshot.statistics[group].items()
    ]
    return pd.DataFrame(rows).set_index(["tensor", "snapshot"]).sort_index(level=0, sort_remaining=False)
