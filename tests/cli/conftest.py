from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from study.cli.main import study

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Runs the command line in this process; what it raises beyond a sentence is raised here."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(study, arguments, prog_name="study")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
