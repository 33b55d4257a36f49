"""Recurrent cells by the name that the axis `cell` gives them. Importing this package does not import TensorFlow."""

from __future__ import annotations

from study.engine.cells.base import Cell
from study.engine.cells.gru import GRU
from study.engine.cells.lstm import LSTM
from study.engine.cells.simple_rnn import SimpleRNN

CELLS: dict[str, Cell] = {cell.name: cell for cell in (LSTM(), GRU(), SimpleRNN())}
