"""Hold the compiled engine against the reference on trials of the card space, and write what differs and why.

    python benchmarks/agreement.py [--trials 200] [--workers 2] [--out benchmarks/agreement.md]
    python benchmarks/agreement.py --only 133 143 170 --nudges 40 --out closer.md

Interrupted, it goes on where it was when it is started again at the same commit, with no file changed.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from bench import card_trial
from joblib import Memory

from study.engine.agreement import NUDGED, ONE_ROUNDING, Comparison, compare
from study.trial.axes import as_text
from study.trial.config import TrialConfig
from study.trial.environment import available_cores, git_commit, machine, versions
from study.trial.folders import home_folder
from study.trial.markdown import markdown_table


def drawn(trials: int) -> list[TrialConfig]:
    """The first trials of the card space as a sweep with seed 0 runs them, every second one under keras-2.2.4."""
    configs = [card_trial(number) for number in range(trials)]
    return [
        config
        if number % 2 == 0
        else TrialConfig(**config.model_dump(exclude={"recurrent_activation"}) | {"semantics": "keras-2.2.4"})
        for number, config in enumerate(configs)
    ]


COLUMNS = (
    *("trial", "activation", "semantics", "compiled", "reference", "nudged references"),
    *("losses differ by", "nudged by", "rounding"),
)


def row(one: Comparison) -> tuple[object, ...]:
    """The cells of a trial under `COLUMNS`."""
    config = one.reference.config
    return (
        config.seed,
        config.activation,
        as_text(config.semantics),
        one.compiled.time_to_nan or "-",
        one.reference.time_to_nan or "-",
        ", ".join(str(result.time_to_nan or "-") for result in one.nudged),
        f"{one.difference:.1e}",
        f"{one.spread:.1e}",
        "yes" if one.is_rounding else "not shown",
    )


def report(found: list[Comparison], *, nudges: int) -> str:
    """What was found, as Markdown."""

    def share(name: str) -> str:
        count = sum(getattr(one, name) for one in found)
        return f"{count} of {len(found)} ({count / len(found):.1%})"

    differing = [one for one in found if not one.agrees]
    diverged = sum(one.reference.diverged for one in found)
    lines = [
        "# Agreement of the compiled engine with the reference",
        "",
        f"{len(found)} trials of the card space, every second one under keras-2.2.4; {diverged} of them diverge in the "
        f"reference. On {machine()}; {', '.join(f'{name} {number}' for name, number in versions().items())}.",
        "",
        f"- losses of the first 5 updates within 1e-5 relative: {share('same_losses')};",
        f"- the same verdict: {share('same_verdict')};",
        f"- time-to-NaN within one update: {share('same_time')}.",
        "",
        f"Where one of the three differs, the reference was run {nudges} times more with all initial weights and the "
        "inputs of all batches moved by their last bit. Rounding is the cause where that changes as much: the losses "
        f"by at least a {ONE_ROUNDING}th of the difference (what comes in is moved, the engines round in every "
        "operation), the verdict too, and time-to-NaN by at least half as many updates. "
        f"That holds for {sum(one.is_rounding for one in differing)} of {len(differing)}.",
        "",
        markdown_table(COLUMNS, map(row, differing)),
    ]
    return "\n".join([*lines, "", "Numbers are the time-to-NaN; - is a trial that survived its 60 updates."]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of trials, instead of all")
    parser.add_argument("--nudges", type=int, default=NUDGED, help="nudged references of a trial that differs")
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("agreement.md"))
    options = parser.parse_args()
    configs = drawn(options.trials)
    configs = [configs[number] for number in options.only] if options.only else configs
    found: list[Comparison] = []
    commit = git_commit()
    known = commit is not None and not commit.endswith("-dirty")
    kept = Memory(home_folder() / "agreement" / str(commit) if known else None, verbose=0)
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            asked = [pool.submit(kept.cache(compare), config, nudges=options.nudges) for config in configs]
            for done in as_completed(asked):
                found.append(done.result())
                print(f"{len(found)} of {len(configs)}, {sum(not one.agrees for one in found)} differ", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found.sort(key=lambda one: one.reference.config.seed)
    options.out.write_text(report(found, nudges=options.nudges), encoding="utf-8")
    kept.clear(warn=False)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
