"""Write the student edition: the notebooks without solutions and outputs.

    python -m tools.notebooks.student build/student

Everything comes from the tags of the notebooks, so the result is never edited by hand. "Run all"
goes through it up to the first exercise that was not tried yet.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from . import layout

_STOP = """\
from adhelpers.teaching import exercises

exercises.stop_at_untried()  # student edition: "Run all" goes on once an exercise is tried"""


def student_edition(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without its solutions and outputs, that stops at untried exercises."""
    cells = []
    for cell in notebook.cells:
        if layout.SOLUTION in layout.tags(cell):
            continue
        if cell.cell_type == "code":
            cell = nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata)
        cells.append(cell)
        if layout.INSTALL in layout.tags(cell):
            cells.append(nbformat.v4.new_code_cell(_STOP))
    return nbformat.v4.new_notebook(cells=cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the student edition of every notebook."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks.student",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", default=layout.ROOT / "build" / "student")
    folder = parser.parse_args(arguments).folder
    for path in layout.paths():
        layout.write(student_edition(layout.read(path)), folder / path.name)
    print(f"{len(layout.paths())} notebooks written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
