"""Where an LSTM trains to NaN, why it does, and what moves the boundary.

The way a trial takes, in the order to read it: `config` (one point of the design), `space` (a search
space file), `sweep` (ask, submit, collect, track, tell), `engine` (training), `tracking` (MLflow).
"""

__version__ = "0.1.0"
