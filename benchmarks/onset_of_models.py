"""The onset of models drawn at random, beside an independent way to look for it.

    python benchmarks/onset_of_models.py [--models 84] [--first 0] [--out benchmarks/onset_of_models.md]

Layers, depths, activations and types are drawn, and one fault is planted in each: in the data, a layer, the loss, a
gradient or the optimizer. `tests/models/random_models.py` says how.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import study.engine.runtime  # noqa: F401
from study.trial.markdown import markdown_table
from tests.models.agreement import told_apart
from tests.models.random_models import FAULTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=84)
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.models)
    apart = {}
    for seed in seeds:
        if (said := told_apart(seed)) is not None:
            apart[seed] = said
            print(said, flush=True)
    models = Counter(FAULTS[seed % len(FAULTS)] for seed in seeds)
    differ = Counter(FAULTS[seed % len(FAULTS)] for seed in apart)
    rows = [(fault, models[fault], models[fault] - differ[fault]) for fault in FAULTS]
    share = 1 - len(apart) / len(seeds)
    told = [f"The same place in {len(seeds) - len(apart)} of {len(seeds)} models, {share:.1%}.", ""]
    told.append(markdown_table(("planted in", "models", "same place"), rows))
    print("\n".join(told))
    if given.out:
        listed = ["", "Others:", "", *(f"- {said}" for said in apart.values())] if apart else []
        given.out.write_text("\n".join(["# The onset of models drawn at random", "", *told, *listed]) + "\n")


if __name__ == "__main__":
    main()
