"""Where a recurrent net trains to NaN, why it does, and what moves the boundary.

The way a trial takes, in the order to read it: `trial.config` (one point of the design), `space` (a search space and
its file), `sweep.loop` (ask, train, journal, track, tell), `engine` (training), `tracking` (MLflow).
"""

__version__ = "0.1.0"
