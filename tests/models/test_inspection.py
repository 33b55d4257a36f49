"""The axes of a model file, found out in another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.models.blame import ModelError
from study.models.inspection import inspect
from study.models.signature import design_of
from tests.models.files import BUILD, DATA, file_of


def test_a_file_is_run_in_another_process_and_its_axes_come_back(tmp_path: Path) -> None:
    mark = f"import os, pathlib\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\nprint('hello')\n"
    file = file_of(tmp_path, mark, BUILD, DATA)
    design = inspect(file)
    elsewhere = (tmp_path / "pid").read_text()
    assert design == design_of(file)
    assert elsewhere != (tmp_path / "pid").read_text()


def test_a_file_that_ends_its_process_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^my_model\.py: ends its process when it is run$"):
        inspect(file_of(tmp_path, "import os\nos._exit(0)\n", BUILD, DATA))
