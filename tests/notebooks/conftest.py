"""A small notebook that the check finds nothing wrong with."""

import nbformat
import pytest

from tools.notebooks import derived, layout

BULLETS = "- see one thing\n- do another\n- say a third"
EXERCISE = """\
q1 = exercises.notebook_01.q1


def accuracy(labels):
    return ...


q1.check(accuracy, data.labels)  # stuck?"""
OTHER = (("q1", "q2"), ("accuracy", "repaired"), ("(labels)", "(image)"), ("data.labels", "two"))


def _code(source: str, *tags: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def _words(source: str, *tags: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})


@pytest.fixture
def small() -> nbformat.NotebookNode:
    """A notebook as it is after a run, with two exercises; it is to be called 01_small.ipynb."""
    second = EXERCISE
    for old, new in OTHER:
        second = second.replace(old, new)
    notebook = nbformat.v4.new_notebook(
        cells=[
            _words("# 1. Small"),
            _words("", layout.TIME),
            _words(f"## After this notebook you can\n{BULLETS}"),
            _code("", layout.INSTALL),
            _words("## Parameters"),
            _code("DATA = 1", layout.PARAMETERS),
            _words("Some words, and [the data set](01_dataset.ipynb)."),
            _code("print(2)", layout.CHECKED),
            _words("### Exercise 1"),
            _code(EXERCISE, layout.EXERCISE),
            _words("### Exercise 2"),
            _code(second, layout.EXERCISE),
            _words("## Think about it\n- Why?\n- What for?"),
            _words(f"## Now you can\n{BULLETS}"),
            _words("## Next\n[2. Features](02_features.ipynb)"),
            _words("## References\n1. None."),
        ]
    )
    derived.refresh(notebook, "01_small.ipynb", layout.repository())
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        if layout.SOLUTION in layout.tags(cell):
            cell.outputs = [nbformat.v4.new_output("stream", text="Right.\n")]
    return notebook
