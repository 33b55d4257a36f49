"""The public names of the package."""

import subprocess
import sys

import pytest

import study


@pytest.mark.parametrize("name", study.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(study, name) is not None


def test_an_unknown_name_is_an_attribute_error_that_lists_the_public_ones() -> None:
    with pytest.raises(AttributeError, match="TrialConfig"):
        getattr(study, "no_such_" + "name")


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = "import sys, study; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "mlflow", "optuna", "distributed", "pandas"} & set(answer.stdout.split())
