"""What the parent run of a sweep says of it in MLflow: tags, params and a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.space.search_space import SearchSpace
from study.sweep.options import SweepOptions
from study.tracking import VERSION
from study.trial.axes import as_text
from study.trial.environment import git_commit, machine, versions
from study.trial.outcome import LOSS_THRESHOLD, OUTCOMES

if TYPE_CHECKING:
    import pandas as pd


def sweep_tags(space: SearchSpace, options: SweepOptions) -> dict[str, str]:
    """Tags of the parent run: what the sweep is about and what it runs on."""
    tags = {f"{VERSION}{package}": number for package, number in versions().items()}
    tags |= {"command": options.command, "machine": machine(), "search_space": space.source, "about": space.about}
    tags |= space.design.identity
    commit = git_commit()
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def sweep_params(space: SearchSpace, options: SweepOptions) -> dict[str, str]:
    """Params of the parent run: how configurations are chosen, and what is fixed."""
    values = space.as_dict()
    params: dict[str, str] = {key: str(values[key]) for key in ("sampler", "updates", "replicates") if key in values}
    params |= {"sweep_seed": str(options.seed), "divergence": str(space.divergence)}
    return params | {f"fixed.{axis}": as_text(value) for axis, value in space.fixed.items()}


def sweep_note(name: str, space: SearchSpace, table: pd.DataFrame) -> str:
    """Markdown for the parent run's page: what ran and how to read it."""
    axes = ", ".join(f"`{axis}`" for axis in space.parameters) or "nothing but the seed"
    counts = {outcome: int((table["outcome"] == outcome).sum()) for outcome in OUTCOMES}
    done = len(table)
    share = f" ({counts['diverged'] / done:.0%})" if done else ""
    exploded = int(table["exploded"].sum())
    but = f" ({exploded} of them with a loss that exploded)" if exploded else ""
    event = space.divergence
    budget = f"up to {space.updates}" if space.sampler == "listed" else space.updates
    return f"""\
**{name}**: {space.about}

{done} trials: **{counts["diverged"]} {event.words.went}**{share}, {counts["survived"]} survived their budget of \
{budget} updates{but}, {counts["failed"]} failed. Varied: {axes}. Not varied: the defaults, \
except what `search_space.yaml` fixes.

Each nested run is one trial, named by its number, what it came to, and the settings that tell it from others.

- `divergence` says what ends a trial, here `{event}`: the first update whose loss is {event.words.rule}.
- `time_to_nan` is the 1-based number of that update. It is absent where the trial survived; such a trial is
  right-censored at `updates`, not free of divergence for ever.
- `exploded` is the tag of a trial that survived with a loss above {LOSS_THRESHOLD:g} at some update.
- `diverged` is 1 or 0: filter with `metrics.diverged = 1`.
- `loss` by update ends at the last finite value; the tag `loss_at_divergence` says what came then.
- `results.csv` and `results.parquet` among the artifacts hold the whole table, as `study results {name}` does.
"""
