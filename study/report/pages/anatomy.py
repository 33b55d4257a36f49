"""The page: an anatomy as one HTML file that needs nothing from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2

from study.report.figures import anatomy as figures
from study.report.figures.anatomy import MINUS
from study.trial.anatomy import AFTER, AT, BEFORE, LAST, ONSET, Anatomy
from study.trial.axes import as_text
from study.trial.design import Configuration
from study.trial.reduction import Statistics
from study.trial.result import TrialResult, describe, first_difference
from study.trial.sentence import verdict
from study.trial.timeline import TIMELINE


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page says of the trial's run beside the trial itself."""

    title: str
    """What the trial is called."""
    run_id: str | None = None
    """Its run in MLflow."""
    recorded: TrialResult | None = None
    """What the run holds; the replay is compared with it. None where this very replay is the run."""
    recorded_versions: Mapping[str, str] = field(default_factory=dict)
    """Versions that the run was made with; empty where they are not known."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions here."""


def other_versions(about: About) -> str | None:
    """Which versions differ, `keras 3.14.0 (here 3.15.1)`; None where none does."""
    differing = [
        f"{package} {version} (here {about.versions.get(package, 'none')})"
        for package, version in about.recorded_versions.items()
        if about.versions.get(package) != version
    ]
    return ", ".join(differing) or None


def warnings(anatomy: Anatomy, about: About) -> list[str]:
    """Sentences on what may make the replay another trial than the recorded one, and whether it is."""
    recorded, replayed = about.recorded, anatomy.result
    if recorded is None:
        return []
    sentences = []
    versions = other_versions(about)
    if versions:
        sentences.append(f"The run was made with other versions, so this replay may differ from it: {versions}.")
    if recorded.engine != replayed.engine:
        sentences.append(
            f"The run was trained by the {recorded.engine} engine; this is a replay by the {replayed.engine} one, "
            "which rounds differently."
        )
    if recorded.device != replayed.device:
        sentences.append(f"The run was trained on {recorded.device}; this is a replay on {replayed.device}.")
    update = first_difference(recorded, replayed)
    if update is not None:
        shown = [str(r.loss[update - 1]) if update <= r.updates else "none" for r in (recorded, replayed)]
        sentences.append(
            f"The replay differs from the run: the loss of update {update} was {shown[0]} and is {shown[1]} here; "
            f"the run {_came_to(recorded)}, the replay {_came_to(replayed)}."
        )
    elif sentences:
        sentences.append(f"It does not differ: all {replayed.updates} losses are the same to the last bit.")
    return sentences


def _came_to(result: TrialResult) -> str:
    if result.diverged:
        return f"diverged at update {result.updates}"
    return f"survived its {result.updates} updates"


EXPLAINED = {
    ONSET: "the update in which the first number stopped being finite",
    BEFORE: "the update before",
    AT: "the update in question",
    AFTER: "the update that starts from the weights which that one left",
    LAST: "the last update",
}

GROUPS = {
    "inputs": "Inputs of the recurrent layers",
    "states": "Their states, all timesteps",
    "outputs": "Outputs: of the recurrent layers at the last timestep, and of the Dense layer",
    "gradients": "Gradients by gate, before clipping",
    "weights": "Weights by gate, as the update finds them",
}


def render(anatomy: Anatomy, about: About) -> str:
    """The page as HTML."""
    result = anatomy.result
    told = result.timeline
    assert told is not None
    return _template().render(
        about=about,
        result=result,
        verdict=verdict(result),
        described=describe(result),
        warnings=warnings(anatomy, about),
        configuration=_configuration(result.config),
        events=[(event.words, told[name]) for name, event in TIMELINE.items() if name in told],
        timeline=figures.timeline(told, updates=result.updates),
        onset=result.onset,
        operands=_operands(result),
        by_update=figures.by_update(result),
        by_timestep=figures.by_timestep(anatomy),
        at=anatomy.decisive,
        snapshots=anatomy.snapshots,
        explained=EXPLAINED,
        recurrence=anatomy.recurrence,
        sample=anatomy.sample,
        probabilities=[figures.probabilities(snapshot) for snapshot in anatomy.snapshots],
        pictures=_pictures(anatomy),
        tables=_tables(anatomy),
        columns=("mean", "std", "min", "max", "min |x|", "max |x|", "not finite"),
        number=number,
    )


def _configuration(config: Configuration) -> list[tuple[str, str, bool]]:
    """Axes, their values, and whether those are other than the defaults."""
    axes = config.axes
    return [(name, as_text(value), value != axes[name].default) for name, value in config.values().items()]


def _operands(result: TrialResult) -> list[tuple[str, str]]:
    given = result.onset.operands if result.onset else {}
    return [(name.replace("_", " "), number(value)) for name, value in given.items()]


def _pictures(anatomy: Anatomy) -> list[dict[str, Any]]:
    rows = []
    for title, first in anatomy.snapshots[0].pictures.items():
        of_updates = [snapshot.pictures[title] for snapshot in anatomy.snapshots]
        scale = figures.ColourScale.of(picture.histogram for picture in of_updates)
        rows.append(
            {
                "title": title,
                "sampled": first.across == "timestep",
                "scale": figures.colour_bar(scale),
                "shape": first.heatmap.shape,
                "figures": [
                    (
                        figures.heatmap(picture, scale, gates=anatomy.gates),
                        figures.histogram(picture, scale),
                    )
                    for picture in of_updates
                ],
            }
        )
    return rows


def _tables(anatomy: Anatomy) -> list[dict[str, Any]]:
    """Of every group: tensors and, of each, a row of statistics an update."""
    tables = []
    for group, title in GROUPS.items():
        names = anatomy.snapshots[0].statistics[group]
        rows = [
            (name, [(s.name, s.update, *_cells(s.statistics[group][name])) for s in anatomy.snapshots])
            for name in names
        ]
        tables.append({"title": title, "rows": rows, "folded": group in ("gradients", "weights")})
    return tables


def _cells(statistics: Statistics) -> tuple[Sequence[str], bool]:
    """Texts of the columns, and whether all numbers are finite."""
    s = statistics
    texts = [number(v) for v in (s.mean, s.std, s.minimum, s.maximum, s.smallest, s.largest)]
    return [*texts, "0" if s.nonfinite == 0 else _share(s.nonfinite)], s.nonfinite == 0


def _share(share: float) -> str:
    return f"{100 * share:.3g}%"


def number(value: float) -> str:
    """A number to three digits, with a power of ten where it is far from 1."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("inf" if value > 0 else f"{MINUS}inf")
    text = f"{value:.3g}"
    if "e" not in text:
        return text.replace("-", MINUS)
    digits, _, exponent = text.partition("e")
    return f"{digits}e{int(exponent)}".replace("-", MINUS)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("study.report.pages", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("anatomy.html.j2")
