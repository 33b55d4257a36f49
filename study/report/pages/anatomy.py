"""The page: an anatomy as one HTML file that needs nothing from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.report.figures import anatomy as figures
from study.report.figures import layer_map
from study.report.figures.anatomy import MINUS
from study.report.pages.template import template
from study.trial.anatomy import AFTER, AT, BEFORE, LAST, ONSET, Anatomy, TrialAnatomy
from study.trial.axes import as_text
from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.growth import Growth
from study.trial.onset import Onset
from study.trial.reduction import Statistics
from study.trial.result import TrialResult, describe, first_difference
from study.trial.timeline import TIMELINE, Timeline
from study.trial.verdict import verdict


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


def warnings(replayed: TrialResult[Any], about: About) -> list[str]:
    """Sentences on what may make the replay another trial than the recorded one, and whether it is."""
    recorded = about.recorded
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
    "data": "The batch",
    "inputs": "Inputs of the recurrent layers",
    "layer_outputs": "Outputs of the layers",
    "states": "States of the recurrent layers, all timesteps",
    "outputs": "Outputs: of the recurrent layers at the last timestep, and of the Dense layer",
    "output_gradients": "Gradients of the layers' outputs",
    "gradients": "Gradients of the weights, before clipping; by gate where there are gates",
    "weights": "Weights as the update finds them; by gate where there are gates",
}
FOLDED = ("output_gradients", "gradients", "weights")


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a page tells in words and numbers beside the snapshots."""

    verdict: str
    described: str
    configuration: Sequence[tuple[str, str, bool]]
    """Names, values, and whether those are other than the defaults."""
    defaults: str | None = None
    """What the defaults are of; None where there are none."""
    losses: Sequence[tuple[int, float]]
    """By update, as far as they are known."""
    loss: str = "Loss"
    """What they are."""
    growth: Growth | None = None
    timeline: Timeline | None = None
    updates: int
    """How many there were."""
    trained_by: str
    """What did them, on what."""


def story_of(result: TrialResult[Any]) -> Story:
    """The story of a trial."""
    of_example = isinstance(result.config, TrialConfig)
    return Story(
        verdict=verdict(result),
        described=describe(result),
        configuration=_configuration(result.config),
        defaults="the minimal example" if of_example else "the model file's own values",
        losses=list(enumerate(result.loss, start=1)),
        loss="Loss, in nats" if of_example else "Loss",
        growth=result.growth,
        timeline=result.timeline,
        updates=result.updates,
        trained_by=f"{result.engine} engine on {result.device}",
    )


def render(anatomy: Anatomy, about: About, story: Story | None = None) -> str:
    """The page as HTML.

    Args:
        anatomy: What was seen in the updates around the onset.
        about: Title, run and versions.
        story: What is told beside; that of the trial where the anatomy is one of a trial.
    """
    result = anatomy.result if isinstance(anatomy, TrialAnatomy) else None
    if story is None:
        assert result is not None
        story = story_of(result)
    told = story.timeline
    at = anatomy.decisive if anatomy.snapshots else None
    return template("anatomy.html.j2").render(
        about=about,
        story=story,
        warnings=[*([] if result is None else warnings(result, about)), *anatomy.notes],
        events=[(event.words, told[name]) for name, event in TIMELINE.items() if name in told] if told else [],
        timeline=figures.timeline(told, updates=story.updates) if told else None,
        onset=anatomy.onset,
        operands=_operands(anatomy.onset),
        neighbourhoods=anatomy.neighbourhoods,
        map=layer_map.drawn(anatomy) if at is not None and at.layers else None,
        by_update=figures.by_update(story.losses, story.growth, updates=story.updates, loss=story.loss),
        by_timestep=figures.by_timestep(anatomy) if at is not None else [],
        at=at,
        snapshots=anatomy.snapshots,
        explained=EXPLAINED,
        recurrence=anatomy.recurrence,
        pictured=anatomy.recurrence if at is not None and not at.layers else None,
        sample=anatomy.sample,
        probabilities=[
            figures.probabilities(snapshot) for snapshot in anatomy.snapshots if snapshot.logits is not None
        ],
        pictures=_pictures(anatomy),
        tables=_tables(anatomy),
        columns=("mean", "std", "min", "max", "min |x|", "max |x|", "not finite"),
        number=number,
        finite=math.isfinite,
    )


def _configuration(config: Configuration) -> list[tuple[str, str, bool]]:
    """Axes, their values, and whether those are other than the defaults."""
    axes = config.axes
    return [(name, as_text(value), value != axes[name].default) for name, value in config.values().items()]


def _operands(onset: Onset | None) -> list[tuple[str, str]]:
    given = onset.operands if onset else {}
    return [(name.replace("_", " "), number(value)) for name, value in given.items()]


def _pictures(anatomy: Anatomy) -> list[dict[str, Any]]:
    rows = []
    for title, first in anatomy.snapshots[0].pictures.items() if anatomy.snapshots else ():
        of_updates = [(snapshot, snapshot.pictures.get(title)) for snapshot in anatomy.snapshots]
        drawn = [(snapshot, picture) for snapshot, picture in of_updates if picture is not None]
        scale = figures.ColourScale.of(picture.histogram for _, picture in drawn)
        rows.append(
            {
                "title": title,
                "sampled": first.across in ("timestep", "position"),
                "scale": figures.colour_bar(scale),
                "shape": first.heatmap.shape,
                "figures": [
                    (
                        snapshot,
                        figures.heatmap(picture, scale, gates=anatomy.gates),
                        figures.histogram(picture, scale),
                    )
                    for snapshot, picture in drawn
                ],
            }
        )
    return rows


def _tables(anatomy: Anatomy) -> list[dict[str, Any]]:
    """Of every group: tensors and, of each, a row of statistics an update."""
    tables = []
    for group, title in GROUPS.items():
        of_updates = [(one, one.statistics[group]) for one in anatomy.snapshots if group in one.statistics]
        names = dict.fromkeys(name for _, tensors in of_updates for name in tensors)
        rows = [
            (name, [(s.name, s.update, *_cells(tensors[name])) for s, tensors in of_updates if name in tensors])
            for name in names
        ]
        if rows:
            tables.append({"title": title, "rows": rows, "folded": group in FOLDED})
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
