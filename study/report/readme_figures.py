"""The figures of the README, drawn from the recorded studies; and the notebooks, run again in place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.report.tables import RECORDED, load, recorded_folder
from study.trial.errors import UserError
from study.trial.folders import checkout, project_folder

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.report.figures.drawing import Drawing

STUDY = "recorded:card"
ATLAS = ("atlas", "atlas_zoom", "atlas_seeds")
"""The recorded studies of the atlas: one seed, a part of it, several seeds."""

NOTEBOOK_SECONDS = 600

PIXELS_AN_INCH = 72
"""Of a page's figures."""


def drawings(study: str = STUDY) -> tuple[Drawing, Drawing]:
    """The phase diagram by activation, and the survival curves by activation, of a study.

    Args:
        study: As `study.report.tables.load` takes it.

    Raises:
        UserError: No such study.
    """
    from study.analysis.boundary.phase_diagram import phase_panels
    from study.analysis.survival.two_parts import two_parts
    from study.report.figures.phase import phase_figure
    from study.report.figures.survival import two_parts_figure

    table = load(study)
    failed = int((table["outcome"] == "failed").sum())
    panels = phase_panels(table, x="learning_rate", y="recurrent_dropout", by="activation")
    return phase_figure(panels, failed=failed), two_parts_figure(two_parts(table, by="activation"), failed=failed)


def atlas_drawing() -> Drawing | None:
    """The atlas of the recorded studies, with those of its parts that are recorded; None where the first is not."""
    from study.analysis.boundary.atlas import atlas
    from study.report.figures.atlas import atlas_figure

    recorded = {
        name: load(f"{RECORDED}{name}") for name in ATLAS if recorded_folder().joinpath(f"{name}.parquet").is_file()
    }
    if ATLAS[0] not in recorded:
        return None
    pictures = {name: atlas(table, x="learning_rate", y="recurrent_dropout") for name, table in recorded.items()}
    return atlas_figure(pictures[ATLAS[0]], zoom=pictures.get(ATLAS[1]), seeds=pictures.get(ATLAS[2]))


def write_readme_figures(folder: Path | None = None, *, study: str = STUDY) -> tuple[Path, ...]:
    """Write the README's figures as PNGs.

    Args:
        folder: Where to; without it the checkout's `notebooks/images`, or the current folder outside of a checkout.
        study: The study that they show.

    Raises:
        UserError: No such study or folder, or a study with nothing to draw.
    """
    atlas = atlas_drawing()
    several = (*drawings(study), *(() if atlas is None else (atlas,)))
    return tuple(drawing.save(folder or _images()) for drawing in several)


def write_layer_map(model: ModelFile, assignments: Sequence[str], folder: Path | None = None) -> Path:
    """Train a model file and write the map of its layers as a PNG that is named as the file.

    Args:
        model: The model file.
        assignments: Values of its axes, `name=value`.
        folder: As of `write_readme_figures`.

    Raises:
        UserError: No such folder, or a model that cannot be trained.
    """
    from study.models.anatomy import anatomy_of
    from study.models.signature import design_of
    from study.report.figures.layer_map import drawing

    design = design_of(model)
    config = design.config(design.axes.parse_assignments(assignments), where="--set")
    picture = drawing(anatomy_of(config, file=model), name=Path(model.name).stem)
    return picture.save(folder or _images(), dpi=2 * PIXELS_AN_INCH)


def _images() -> Path:
    top = checkout()
    return top / "notebooks" / "images" if top else Path.cwd()


def notebooks() -> tuple[Path, ...]:
    """The notebooks of the checkout, in order."""
    return tuple(sorted((project_folder() / "notebooks").glob("0*.ipynb")))


def run_in_place() -> Iterator[Path]:
    """Run every notebook from top to bottom and write its outputs into it.

    Raises:
        UserError: nbclient is not installed, or a cell raised an error.
    """
    for path in notebooks():
        run_notebook(path, out=path)
        yield path


def run_notebook(path: Path, *, out: Path) -> None:
    """Run one notebook in its own folder.

    Args:
        path: The notebook.
        out: Where it is written with its outputs.

    Raises:
        UserError: nbclient is not installed, or a cell raised an error or took more than NOTEBOOK_SECONDS.
    """
    try:
        import nbformat as formats
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        raise UserError("running notebooks takes JupyterLab; `make setup` installs it") from error
    # Its functions have no types.
    nbformat: Any = formats
    notebook = nbformat.read(path, as_version=4)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    client = NotebookClient(
        notebook,
        timeout=NOTEBOOK_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        # A kernel's own notes go there; what a cell writes to its stderr goes into the notebook.
        client.execute(stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        raise UserError(f"{path}: a cell raised {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise UserError(f"{path}: a cell was not done after {NOTEBOOK_SECONDS} seconds") from error
    except DeadKernelError as error:
        raise UserError(f"{path}: its kernel died, perhaps for want of memory") from error
    for cell in notebook.cells:
        # When a cell ran is no result: without it, the same outputs are the same file.
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)
    # A kill while it is written must not leave half a notebook.
    whole = out.with_name(f".{out.name}.new")
    nbformat.write(notebook, whole)
    whole.replace(out)
