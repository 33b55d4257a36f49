"""How a process is set up, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from study.engine import run
from study.trial.config import TrialConfig
from study.trial.errors import UserError


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_importing_the_package_does_not_import_tensorflow():
    done = python("import sys, study.engine; print('tensorflow' in sys.modules, 'keras' in sys.modules)")
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_an_unknown_engine_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"^engine=warp is not known; engine takes .*reference"):
        run([TrialConfig()], engine="warp")


def test_a_process_has_one_thread_to_compute_with():
    from study.engine.runtime import tf

    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1


def test_tensorflow_already_running_with_other_threads_is_refused():
    done = python("import tensorflow as tf; tf.constant(1) + 1\nimport study.engine.runtime")
    assert done.returncode != 0
    assert "RuntimeError: TensorFlow was already running in this process" in done.stderr
