"""A made-up study whose law is known, analysed once for all tests that look at the result."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from study.analysis.findings import Findings, findings
from tests.analysis.made_up_trials import results_table

TRIALS, FAILED, AT_ONCE = 72, 2, 3
DISTANCE = 0.02
"""The median of learning rate times steps to NaN."""


def made_up_study() -> pd.DataFrame:
    """relu goes to NaN after 0.02 / learning rate steps, log-normal scatter 0.2; tanh never does; two trials failed.

    Three more relu trials go to NaN at update 1, whatever their learning rate.
    """
    draw = np.random.default_rng(5)
    rate = 10 ** draw.uniform(-3.7, -2, TRIALS)
    activation = np.where(np.arange(TRIALS) % 3 == 2, "tanh", "relu")
    time = np.where(activation == "relu", 1 + DISTANCE / rate * draw.lognormal(0, 0.2, TRIALS), np.inf)
    time[[0, 1, 3]] = 1
    table = results_table(
        time,
        budget=60,
        failed=(4, 6),
        learning_rate=rate,
        recurrent_dropout=draw.uniform(0, 0.5, TRIALS),
        activation=activation,
    )
    died = table["outcome"] == "diverged"
    told = {
        "onset_phase": "forward",
        "onset_layer": "lstm_1",
        "onset_tensor": "input_sum",
        "onset_timestep": 300,
        "onset_update": table["time_to_nan"],
        "nonfinite_cell_state": table["time_to_nan"],
        "nonfinite_loss": table["time_to_nan"],
        "nonfinite_weight": table["time_to_nan"] + 1,
        "cell_growth": 0.2,
    }
    for column, value in told.items():
        table[column] = pd.Series(value, index=table.index).where(died).astype(table[column].dtype)
    table["failure"] = pd.Series(["its worker <died>"] * TRIALS).where(table["outcome"] == "failed")
    table["run_id"] = [f"run{number:02d}" for number in table["trial_number"]]
    return table


@cache
def found() -> Findings:
    return findings(made_up_study())
