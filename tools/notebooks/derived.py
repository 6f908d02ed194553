"""The parts of a notebook that are made from something else, so that they cannot drift.

Solution cells come from `adhelpers.teaching.exercises`, the install cell and the badges from the
project's address, and the line about time from the notebook's length and its last measured run.
"""

import math
import re
from itertools import zip_longest

import nbformat

from adhelpers.teaching import exercises

from . import layout

# Minutes: of reading a word, of a code cell and its output, of an exercise, of a question.
_PER_WORD, _PER_CODE_CELL, _PER_EXERCISE, _PER_QUESTION = 1 / 140, 0.5, 4.0, 2.0

_INSTALL = """\
# Installs adhelpers where it is missing, as on Colab; everywhere else it does nothing
import importlib.util

if importlib.util.find_spec("adhelpers") is None:
    %pip install --quiet {source}"""

_COLAB = "https://colab.research.google.com/"
_BINDER = "https://mybinder.org/"


def refresh(notebook: nbformat.NotebookNode, name: str, address: str | None) -> None:
    """Write the derived cells of a notebook anew.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.
    name : str
        The notebook's file name.
    address : str or None
        The project's address, from `layout.repository`.
    """
    _put_solutions(notebook)
    (install,) = layout.tagged(notebook, layout.INSTALL)
    install.source = install_code(address)
    (time,) = layout.tagged(notebook, layout.TIME)
    time.source = "\n\n".join(filter(None, [time_line(notebook), badges(name, address)]))


def install_code(address: str | None) -> str:
    """Return the first code cell: from the address, or from the checkout the notebook lies in."""
    return _INSTALL.format(source=f'"adhelpers @ git+{address}"' if address else "..")


def badges(name: str, address: str | None) -> str:
    """Return the badges of Colab and Binder, or nothing where there is no address on GitHub."""
    owner_and_name = re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?", address or "")
    if not owner_and_name:
        return ""
    project = owner_and_name[1]
    return (
        f"[![Open in Colab]({_COLAB}assets/colab-badge.svg)]"
        f"({_COLAB}github/{project}/blob/main/notebooks/{name})\n"
        f"[![Launch Binder]({_BINDER}badge_logo.svg)]"
        f"({_BINDER}v2/gh/{project}/main?labpath=notebooks/{name})"
    )


def minutes(notebook: nbformat.NotebookNode) -> int:
    """Return how long reading, running and doing a notebook takes, to five minutes."""
    words = sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")
    code = sum(cell.cell_type == "code" for cell in notebook.cells)
    tried = len(layout.tagged(notebook, layout.EXERCISE))
    questions = len(layout.bullets(notebook, "Think about it"))
    total = (
        words * _PER_WORD
        + code * _PER_CODE_CELL
        + tried * _PER_EXERCISE
        + questions * _PER_QUESTION
    )
    return 5 * math.ceil(total / 5)


def time_line(notebook: nbformat.NotebookNode) -> str:
    """Return how long the notebook takes, in words."""
    measured = notebook.metadata.get("adhelpers", {})
    line = f"**Time:** about {minutes(notebook)} minutes with the exercises"
    if measured:
        (parameters,) = layout.tagged(notebook, layout.PARAMETERS)
        what = "with the drawn images" if '"synthetic"' in parameters.source else "as it stands"
        line += f"; running it alone takes {measured['seconds']} seconds on two cores, {what}"
    return f"{line}."


def exercise_parts(cell: nbformat.NotebookNode) -> tuple[exercises.Question, str] | None:
    """Return the question that an exercise cell asks, and its line with the check."""
    place = re.search(r"exercises\.(notebook_\d\d)\.(q\d)\b", cell.source)
    check = re.search(r"^\w+\.check\(.*$", cell.source, re.MULTILINE)
    if not (place and check):
        return None
    question = getattr(getattr(exercises, place[1]), place[2])
    return question, check[0].partition("  #")[0]


def _put_solutions(notebook: nbformat.NotebookNode) -> None:
    """Put a solution cell behind every exercise cell, or bring the one that is there up to date."""
    cells = []
    for cell, following in zip_longest(notebook.cells, notebook.cells[1:]):
        if layout.SOLUTION in layout.tags(cell):
            continue
        cells.append(cell)
        if layout.EXERCISE in layout.tags(cell):
            question, check = exercise_parts(cell)
            known = following is not None and layout.SOLUTION in layout.tags(following)
            solution = following if known else nbformat.v4.new_code_cell()
            solution.source = f"# Solution\n{question.solution_code}\n\n\n{check}"
            solution.metadata["tags"] = [layout.SOLUTION, layout.CHECKED]
            cells.append(solution)
    notebook.cells = cells
