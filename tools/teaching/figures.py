"""The figures that slides show: pictures of the documentation, and what notebooks drew."""

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from adhelpers.ground import UserError

MIN_ALT = 20  # characters
_DRAWN = re.compile(r'<img alt="([^"]*)"[^>]* src="data:(image/\w+);base64,([^"]+)"')


@dataclass(frozen=True)
class Figure:
    """A picture and what it shows.

    Parameters
    ----------
    content : bytes
        PNG or JPEG.
    kind : str
        Its media type.
    alt : str
        What it shows, for readers who cannot see it.
    """

    content: bytes
    kind: str
    alt: str

    @property
    def address(self) -> str:
        """str: the picture as a data address."""
        return f"data:{self.kind};base64,{base64.b64encode(self.content).decode()}"


def find(path: Path, words: str) -> Figure:
    """Return a figure.

    Parameters
    ----------
    path : Path
        A picture; or a notebook, which keeps what it drew.
    words : str
        The picture's alt text; of a notebook's figure, how its own alt text begins.

    Raises
    ------
    UserError
        If there is no such picture or figure, more than one, or no alt text to speak of.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file, for the figure {words!r}")
    if path.suffix == ".ipynb":
        return _of_notebook(path, words)
    if len(words) < MIN_ALT:
        raise UserError(f"{path}: the alt text {words!r} is too short; say what the picture shows")
    kind = "image/png" if path.suffix == ".png" else "image/jpeg"
    return Figure(path.read_bytes(), kind, words)


def _of_notebook(path: Path, words: str) -> Figure:
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    drawn = [_DRAWN.search(output.get("data", {}).get("text/html", "")) for output in outputs]
    figures = {html.unescape(m[1]): m for m in drawn if m}
    found = [alt for alt in figures if words and alt.startswith(words)]
    if len(found) != 1:
        starts = "; ".join(alt[:40] for alt in figures)
        raise UserError(
            f"{path}: {len(found)} figures begin with {words!r}, not 1; there are: {starts}"
        )
    _, kind, content = figures[found[0]].groups()
    return Figure(base64.b64decode(content), kind, found[0])
