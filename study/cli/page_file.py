"""The HTML file that a command writes: refused early, written, and shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from study.trial.errors import UserError

page_file = click.Path(dir_okay=False, path_type=Path)
open_option = click.option(
    "--open/--no-open", "opens", default=True, help="Show it in a browser, where there is one [default]."
)


def make_folder(folder: Path) -> None:
    """Make a folder of STUDY_HOME for pages."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"STUDY_HOME {folder} cannot be written ({error.strerror or error}); give --out FILE"
        ) from error


def check_writable(path: Path, *, option: str) -> None:
    """Refuse a page's file before the trial that would be for nothing."""
    if path.suffix != ".html":
        raise UserError(f"{option} {path}: takes a file that ends in .html")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{option} {path}: cannot be written (Permission denied)")


def write_page(path: Path, page: str, *, option: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be written ({error.strerror or error})") from error


def open_page(path: Path) -> None:
    """Show a page where somebody is there to see it."""
    has_display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
