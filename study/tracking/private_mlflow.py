"""What the study uses of MLflow that is not public, in one place, as of MLflow 3.17.

- The store behind `sqlite:` URIs, made by itself: a client makes its tables in place, where a kill leaves half of them,
  and has no way to say where artifacts go.
- The function that makes an SQLite file's folder before it is opened. It does not decode the URL, so that a home named
  `100%` would get an empty `100%25` beside it; our homes are there already.
- The tag that says which half of MLflow's pages an experiment opens in.
- The tags in which MLflow's pages keep the views that people save: the key names the view, the value is JSON with the
  state of the list, compressed. The pages offer them under "Views" and open one by its key in the address.
"""

from __future__ import annotations

import base64
import json
import zlib
from importlib.metadata import version
from typing import Any

from mlflow.store.db import utils

assert version("mlflow").startswith("3.17."), "private interfaces were checked with MLflow 3.17"

utils._make_parent_dirs_if_sqlite = lambda uri: None

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of an experiment: its pages are those for training, not those for language models."""


def make_tables(uri: str, *, artifacts: str) -> None:
    """Make the tables of an SQLite store.

    Args:
        uri: Of the store.
        artifacts: Where artifacts of experiments go that do not say.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()


def saved_view_tag(key: str, *, name: str, state: dict[str, Any], created: int) -> dict[str, str]:
    """The tag of an experiment that keeps a view.

    Args:
        key: Names the view in addresses.
        name: Names it in the list of views.
        state: Of the list of runs.
        created: Time of making, milliseconds since the epoch.
    """
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    value = {"name": name, "createdAt": created, "updatedAt": created, "state": f"deflate;{packed}"}
    return {f"mlflow.sharedViewState.{key}": json.dumps(value)}


def view_address(experiment_id: str, *, key: str) -> str:
    """Where a saved view is, behind the address of the MLflow UI."""
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={key}"
