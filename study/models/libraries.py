"""Keras and TensorFlow as this process has them, for rooms that know no library themselves.

Nothing is set up here, unlike in `study.engine.runtime`: what takes them from here works in a user's own session too,
where TensorFlow may have been running for hours. A process that is begun for trials imports `study.engine.runtime`
before.
"""

from __future__ import annotations

import keras
import tensorflow as tf

__all__ = ["keras", "tf"]
