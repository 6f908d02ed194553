"""What a notebook of the series looks like, and reading and writing one in a stable form."""

import re
import tomllib
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"

#: The headings that every notebook has, in this order.
SECTIONS = (
    "After this notebook you can",
    "Parameters",
    "Think about it",
    "Now you can",
    "Next",
    "References",
)
FIRST_BULLETS, LAST_BULLETS = "After this notebook you can", "Now you can"

#: The tags that a cell may have.
INSTALL, PARAMETERS, TIME = "install", "parameters", "time"
EXERCISE, SOLUTION = "exercise", "solution"
CHECKED = "nbval-check-output"
IGNORED = "nbval-ignore-output"  # int8 results alone: they differ from CPU to CPU
TAGS = (INSTALL, PARAMETERS, TIME, EXERCISE, SOLUTION, CHECKED, IGNORED)


def paths(names: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks in order: all, or those whose names start with one of `names`."""
    every = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in every if not names or path.name.startswith(tuple(names))]


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook so that the same content gives the same bytes.

    A cell's id is a hash of its source; metadata holds the kernel's name, the tags, what hides a
    solution, and what was measured; streams are whole, and those of stderr left out.
    """
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "adhelpers": notebook.metadata.get("adhelpers", {}),
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = blake2b(cell.source.encode(), digest_size=6).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = f"{digest}-{seen[digest]}"
        cell.metadata = {"tags": sorted(tags(cell))} if tags(cell) else {}
        if SOLUTION in tags(cell) and cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        if cell.cell_type == "code":
            cell.outputs = _whole_streams(cell.outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """Return a cell's tags."""
    return list(cell.metadata.get("tags", []))


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    """Return the cells with that tag."""
    return [cell for cell in notebook.cells if tag in tags(cell)]


def heading(cell: nbformat.NotebookNode) -> str:
    """Return the text of a cell's first heading of second or third order, or nothing."""
    found = re.match(r"#{2,3} (.+)", cell.source) if cell.cell_type == "markdown" else None
    return found[1].strip() if found else ""


def bullets(notebook: nbformat.NotebookNode, section: str) -> list[str]:
    """Return the bullets of a section."""
    (cell,) = [cell for cell in notebook.cells if heading(cell) == section] or [None]
    return re.findall(r"^- (.+(?:\n  .+)*)", cell.source, re.MULTILINE) if cell else []


def title(notebook: nbformat.NotebookNode) -> str:
    """Return the notebook's title."""
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# ")


def repository() -> str | None:
    """Return the project's address on a forge, from ``project.urls`` of pyproject.toml.

    Badges and the install cell come from it. None where the project names no address.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def _whole_streams(outputs: list) -> list:
    """Return the outputs with what was printed in one piece, and without stderr."""
    kept = []
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
        elif output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(output)
    return kept
