"""Model files for tests, put together from parts."""

from __future__ import annotations

from pathlib import Path

from study.models.file import ModelFile

HEAD = """\
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
"""

BUILD = """
def build(units=4):
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(units), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""

DATA = """
def data(seed=0):
    draw = np.random.default_rng(seed)
    return draw.standard_normal((40, 5, 3)), draw.standard_normal((40, 1))
"""

GENERATOR = """
def data():
    for number in range(3):
        yield np.full((4, 5, 3), number), np.zeros((4, 1))
"""

PY_DATASET = """
class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        return np.full((4, 5, 3), number), np.zeros((4, 1))


def data():
    return Batches()
"""

SUBCLASS = """
class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def build():
    model = Model()
    model.compile(optimizer="sgd", loss="mse")
    return model
"""


def file_of(folder: Path, *parts: str, name: str = "my_model.py") -> ModelFile:
    """A model file of some parts, the usual imports before them, written to a folder."""
    path = folder / name
    path.write_text(HEAD + "".join(parts))
    return ModelFile.read(path)
