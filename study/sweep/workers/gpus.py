"""Which GPUs there are, found out without loading TensorFlow here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def visible_gpus() -> tuple[str, ...]:
    """GPUs that TensorFlow sees, by the names that CUDA_VISIBLE_DEVICES takes.

    Asked in a process of its own, and only where there is a driver: the command itself must stay free of
    TensorFlow, which would take a share of the GPU's memory.
    """
    if not any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/dxg")):
        return ()
    code = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    lines = answer.stdout.split()
    count = int(lines[-1]) if lines and lines[-1].isdigit() else 0
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(chosen.split(",")[:count]) if chosen else tuple(str(index) for index in range(count))
