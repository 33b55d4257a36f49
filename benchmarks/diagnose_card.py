"""How good a diagnosis of the built-in example is: diverged trials of the recorded study `card`, drawn at random.

    python benchmarks/diagnose_card.py [--trials 60] [--limit 30] [--minutes 25] [--out benchmarks/diagnose_card.md]

Each trial is diagnosed by the function of `study diagnose --set ... --trials LIMIT`, in processes that keep their
compiled programs from one trial to the next. Told are the trainings that were run until the first remedy that
held with every seed of the diagnosis, and what came of two remedies with five seeds that the diagnosis did not use, to
the trial's whole budget: that first one, and the one that the answer names first.

What is done is kept in a file of JSON lines, one a trial; the same command goes on with the trials that are missing.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
from rich.console import Console

from study.diagnosis.bench import Bench, bench
from study.diagnosis.loop import diagnose
from study.diagnosis.progress import Steps
from study.diagnosis.record import Record
from study.diagnosis.remedies import Remedy
from study.diagnosis.result import Run, Tried
from study.diagnosis.subject import more_remedies
from study.diagnosis.trials import SEEDS, Limits
from study.report.tables import load
from study.trial.config import AXES, EXAMPLE, TrialConfig
from study.trial.environment import machine, versions
from study.trial.markdown import markdown_table

FRESH = 5
"""Seeds by which a remedy is confirmed."""

FIRST_FRESH = 1_000_000
"""Added to a trial's seed for the first of them: no diagnosis gets there."""

DRAWN_WITH = 14


def drawn(count: int) -> list[TrialConfig]:
    """Diverged trials of card, without replacement."""
    table = load("recorded:card")
    rows = table[table["outcome"] == "diverged"].sample(count, random_state=DRAWN_WITH)
    return [_config(row) for row in rows.to_dict("records")]


def _config(row: Mapping[str, Any]) -> TrialConfig:
    values = {name: None if pd.isna(row[name]) else row[name] for name in AXES if name in row}
    config = EXAMPLE.config({**values, "updates": int(row["budget"])}, where="recorded:card")
    assert isinstance(config, TrialConfig)
    return config


@dataclass
class Noted(Record):
    """Keeps the order in which trainings ended, and what each remedy was.

    Attributes:
        order: A remedy and whether it went to NaN, a training each.
        remedies: By what is to be written.
    """

    order: list[tuple[str, bool]] = field(default_factory=list)
    remedies: dict[str, Remedy] = field(default_factory=dict)

    def keep(self, config: Any, remedy: Remedy, run: Run) -> None:
        super().keep(config, remedy, run)
        self.remedies[remedy.change] = remedy
        if run.refused is None:
            self.order.append((remedy.change, run.diverged))

    def until(self, held: Tried) -> int:
        """Trainings that had been run when this remedy had been with its last seed."""
        of_it = [number for number, (change, _) in enumerate(self.order, start=1) if change == held.change]
        return of_it[-1]


def diagnosed(place: Bench, config: TrialConfig, *, limits: Limits) -> dict[str, Any]:
    """One trial's line."""
    record = Noted()
    began = time.monotonic()
    with Steps(Console(file=open("/dev/null", "w"))) as steps:
        found = diagnose(place, config, limits=limits, record=record, steps=steps, more=more_remedies(config))
    seconds = time.monotonic() - began
    held = [one for one in found.remedies if one.holds]
    first = min(held, key=record.until, default=None)
    best = held[0] if held else None
    confirmed = {one.change: confirm(place, config, record.remedies[one.change]) for one in (first, best) if one}
    return {
        "config": config.as_json(),
        "time_to_nan": found.time_to_nan,
        "cause": found.cause and found.cause.id,
        "also": [one.id for one in found.also],
        "trainings": len(record.order),
        "until_first": record.until(first) if first else None,
        "first": first and first.change,
        "best": best and best.change,
        "fresh": confirmed,
        "held": [one.change for one in held],
        "failed": [one.change for one in found.remedies if one.runs and not one.holds],
        "seconds": seconds,
    }


def confirm(place: Bench, config: TrialConfig, remedy: Remedy) -> int:
    """How many seeds of `FRESH` that the diagnosis did not use stay finite to the trial's budget."""
    assert FIRST_FRESH > SEEDS
    seeds = range(config.seed + FIRST_FRESH, config.seed + FIRST_FRESH + FRESH)
    runs: list[Future[Run]] = [place.submit(config.replacing(seed=seed), remedy) for seed in seeds]
    return sum(not run.result().diverged for run in runs)


def table(lines: Sequence[Mapping[str, Any]], *, wanted: int, limit: int) -> str:
    """Markdown."""
    until = [line["until_first"] if line["until_first"] is not None else math.inf for line in lines]
    seconds = sorted(line["seconds"] for line in lines)

    def confirmed(which: str) -> int:
        return sum(line[which] is not None and line["fresh"][line[which]] == FRESH for line in lines)

    def share(number: int) -> str:
        return f"{number} of {len(lines)} ({number / len(lines):.1%})"

    causes = Counter(line["cause"] for line in lines).most_common()
    bests = Counter(_kind(line["best"]) for line in lines).most_common()
    rows = [
        ("trials diagnosed", f"{len(lines)} of {wanted}", ""),
        ("a remedy held with every seed of the diagnosis", share(sum(bool(line["held"]) for line in lines)), ""),
        (f"the first that held, confirmed by {FRESH} other seeds", share(confirmed("first")), "98%"),
        (f"the one named first, confirmed by {FRESH} other seeds", share(confirmed("best")), "98%"),
        ("trainings until the first that held, median", f"{statistics.median(until):g}", "at most 8"),
        ("the same, largest", f"{max(until):g}", ""),
        ("trainings of a diagnosis, median", f"{statistics.median(line['trainings'] for line in lines):g}", ""),
        ("seconds of a diagnosis, median", f"{statistics.median(seconds):.0f}", ""),
        ("the same, largest", f"{seconds[-1]:.0f}", "180"),
        ("cause", ", ".join(f"{cause}: {number}" for cause, number in causes), ""),
        ("remedy named first", ", ".join(f"{best}: {number}" for best, number in bests), ""),
    ]
    told = versions()
    text = [
        "# Diagnosis of the built-in example",
        "",
        f"{machine()}; " + ", ".join(f"{name} {told[name]}" for name in ("study", "tensorflow", "keras")) + ".",
        "",
        f"Diverged trials of `recorded:card`, drawn with seed {DRAWN_WITH}, each diagnosed with at most {limit} "
        "trainings; see `benchmarks/diagnose_card.py`.",
        "",
        markdown_table(("measured", "figure", "wanted"), rows),
        "",
    ]
    unlucky = [
        f"- {EXAMPLE.title(EXAMPLE.config(line['config']))}, seed {line['config']['seed']}: {change} with {seeds} of "
        f"{FRESH} seeds"
        for line in lines
        for change, seeds in line["fresh"].items()
        if seeds < FRESH
    ]
    return "\n".join([*text, *(("Not confirmed:", "", *unlucky, "") if unlucky else ())])


def _kind(change: str | None) -> str:
    return "none" if change is None else "learning_rate" if change.startswith("learning_rate=") else f"`{change}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--limit", type=int, default=Limits().trials, help="trainings with a remedy in a diagnosis")
    parser.add_argument("--minutes", type=float, default=25.0, help="after which no trial is begun")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kept", type=Path, default=Path("mlruns/diagnose_card"), help="folder of the JSON lines")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/diagnose_card.md"))
    asked = parser.parse_args()
    began = time.monotonic()
    asked.kept.mkdir(parents=True, exist_ok=True)
    file = asked.kept / f"limit-{asked.limit}.jsonl"
    known = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    configs = drawn(asked.trials)
    done = {json.dumps(line["config"], sort_keys=True): line for line in known}
    with bench(None, processes=asked.processes, stop=Event()) as place:
        for number, config in enumerate(configs, start=1):
            own = json.dumps(config.as_json(), sort_keys=True)
            if own in done or time.monotonic() - began > 60 * asked.minutes:
                continue
            done[own] = diagnosed(place, config, limits=Limits(trials=asked.limit))
            with file.open("a") as lines:
                lines.write(json.dumps(done[own]) + "\n")
            print(
                number, json.dumps({name: value for name, value in done[own].items() if name != "config"}), flush=True
            )
    wanted = [json.dumps(config.as_json(), sort_keys=True) for config in configs]
    lines_of = [done[own] for own in wanted if own in done]
    if lines_of:
        asked.out.write_text(table(lines_of, wanted=len(configs), limit=asked.limit))
        print(asked.out.read_text())


if __name__ == "__main__":
    main()
