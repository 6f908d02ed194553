"""Check the notebooks' form; a part of lint.

    python -m tools.notebooks.check

Prints one line per fault and exits with 1 if there is one. It reads the notebooks and runs
nothing: what they compute is compared by `tools.notebooks.gate`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise

import nbformat

from . import derived, layout, names, table

MAX_LINES = 10
MAX_IMAGE_BYTES = 1_500_000  # of all pictures of a notebook, base64
MIN_ALT = 20  # characters
_REPEATED_LINES = 5
_ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/<])/(?:home|root|tmp|Users|usr|opt|var|mnt|work|content|private)/|\b[A-Z]:\\+\w"
)
_TIME = re.compile(r"\d ?(?:ms|µs|s|seconds|images/s|images per second)\b")
_ALT = re.compile(r'<img alt="([^"]*)"')
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")

Notebook = nbformat.NotebookNode


def faults(notebook: Notebook, name: str) -> list[str]:
    """Return what is wrong with the form of a notebook, a line each.

    Parameters
    ----------
    notebook : NotebookNode
    name : str
        Its file name.
    """
    rules = (
        _counts,
        _sections,
        _cells,
        _functions,
        _outputs,
        _pictures,
        _links,
        _exercises,
        _names,
    )
    return [f"{name}: {fault}" for rule in rules for fault in rule(notebook, name)]


def repeated(notebooks: dict[str, Notebook]) -> list[str]:
    """Return which notebooks share a run of code lines, a line each."""
    places: dict[tuple[str, ...], str] = {}
    found = []
    for name, notebook in notebooks.items():
        windows = {window for cell in _code(notebook) for window in _windows(cell)}
        clashes = sorted({places[window] for window in windows if window in places})
        found += [f"{name}: repeats code of {other}; move it to adhelpers" for other in clashes]
        places.update(dict.fromkeys(windows, name))
    return found


def _windows(cell: Notebook) -> Iterator[tuple[str, ...]]:
    """Yield every run of lines of a cell that no other notebook may have."""
    if {layout.INSTALL, layout.PARAMETERS} & set(layout.tags(cell)):
        return
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("import ", "from ", "#"))]
    for start in range(len(lines) - _REPEATED_LINES + 1):
        yield tuple(lines[start : start + _REPEATED_LINES])


def _counts(notebook: Notebook, name: str) -> Iterator[str]:
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: run `make notebooks`"


def _sections(notebook: Notebook, name: str) -> Iterator[str]:
    if not re.match(rf"# {int(name[:2])}\. \S", notebook.cells[0].source):
        yield f"the first line must be the title, '# {int(name[:2])}. ...'"
    headings = [layout.heading(cell) for cell in notebook.cells]
    present = [heading for heading in headings if heading in layout.SECTIONS]
    if present != list(layout.SECTIONS):
        yield f"the sections are {present}, not {list(layout.SECTIONS)}"
        return
    first, last = (layout.bullets(notebook, s) for s in (layout.FIRST_BULLETS, layout.LAST_BULLETS))
    if not 3 <= len(first) <= 5:
        yield f"{len(first)} bullets at the start, expected 3 to 5"
    if first != last:
        yield "the bullets at the end are not those at the start"
    if not 2 <= len(layout.bullets(notebook, "Think about it")) <= 3:
        yield "2 or 3 questions to think about are expected"
    for tag in (layout.INSTALL, layout.PARAMETERS, layout.TIME):
        if len(layout.tagged(notebook, tag)) != 1:
            yield f"{len(layout.tagged(notebook, tag))} cells are tagged {tag!r}, expected 1"
    if not layout.tagged(notebook, layout.CHECKED):
        yield f"no cell is tagged {layout.CHECKED!r}"


def _cells(notebook: Notebook, name: str) -> Iterator[str]:
    for number, cell in enumerate(_code(notebook), start=1):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > MAX_LINES:
            yield f"code cell {number} has {len(lines)} lines, at most {MAX_LINES} are allowed"
    for cell in notebook.cells:
        unknown = set(layout.tags(cell)) - set(layout.TAGS)
        if unknown:
            yield f"unknown tags {sorted(unknown)}; there are {list(layout.TAGS)}"
        if _ABSOLUTE_PATH.search(cell.source):
            yield f"an absolute path in the cell {cell.source[:40]!r}"
    for before, cell in pairwise(notebook.cells):
        both_code = before.cell_type == cell.cell_type == "code"
        if both_code and not {layout.SOLUTION, layout.PARAMETERS} & set(layout.tags(cell)):
            yield f"no words before the code cell {cell.source[:40]!r}"


def _functions(notebook: Notebook, name: str) -> Iterator[str]:
    for cell in _code(notebook):
        if layout.INSTALL in layout.tags(cell):
            continue  # it holds a %pip, which is no Python
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > MAX_LINES:
                    yield f"the function {node.name} has {lines} lines; move it to adhelpers"


def _outputs(notebook: Notebook, name: str) -> Iterator[str]:
    for number, cell in enumerate(_code(notebook), start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}: {output.evalue[:60]}"
            if output.get("name") == "stderr":
                yield f"code cell {number} holds output of stderr: run `make notebooks`"
            words = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            if _ABSOLUTE_PATH.search(words):
                yield f"an absolute path in the output of code cell {number}"
            if layout.CHECKED in layout.tags(cell) and _TIME.search(words):
                yield f"code cell {number} is compared, but prints a time"


def _pictures(notebook: Notebook, name: str) -> Iterator[str]:
    size = 0
    for number, cell in enumerate(_code(notebook), start=1):
        for output in cell.outputs:
            for kind, picture in output.get("data", {}).items():
                if not (kind.startswith("image/") or "<img" in picture):
                    continue
                size += len(picture)
                alt = _ALT.search(picture)
                if not alt or len(alt[1]) < MIN_ALT:
                    yield f"the picture of code cell {number} has no alt text: use plots.show"
    if size > MAX_IMAGE_BYTES:
        yield f"pictures of {size / 1e6:.1f} MB, at most {MAX_IMAGE_BYTES / 1e6:.1f} are allowed"


def _links(notebook: Notebook, name: str) -> Iterator[str]:
    links = [
        (match[1], match[2], match[3])
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for match in _LINK.finditer(cell.source)
    ]
    for mark, words, target in links:
        file = target.partition("#")[0]
        if mark and not words.strip():
            yield f"the picture {target} has no alt text"
        if "://" not in target and file and not (layout.FOLDER / file).exists():
            yield f"a link to {target}, which is not there"
    names = [path.name for path in layout.paths()]
    following = names[names.index(name) + 1 :] if name in names else []
    (last,) = [c for c in notebook.cells if layout.heading(c) == "Next"] or [None]
    if following and not (last and f"({following[0]})" in last.source):
        yield f"the section Next does not link to {following[0]}"


def _exercises(notebook: Notebook, name: str) -> Iterator[str]:
    asked = layout.tagged(notebook, layout.EXERCISE)
    if not 2 <= len(asked) <= 4:
        yield f"{len(asked)} exercises, expected 2 to 4"
    for number, cell in enumerate(asked, start=1):
        parts = derived.exercise_parts(cell)
        if not parts:
            yield f"exercise {number} asks no question of adhelpers.teaching.exercises"
        elif f"{parts[0].head}\n    return ..." not in cell.source:
            yield f"exercise {number} does not leave `{parts[0].head} return ...` open"
    solved = [c for c in layout.tagged(notebook, layout.SOLUTION) if c.cell_type == "code"]
    for number, cell in enumerate(solved, start=1):
        if not any(o.get("text", "").startswith("Right") for o in cell.outputs):
            yield f"the solution of exercise {number} is not found right"
    fresh = nbformat.from_dict(notebook)
    derived.refresh(fresh, name, layout.repository())
    if [cell.source for cell in fresh.cells] != [cell.source for cell in notebook.cells]:
        yield "solutions, time, badges or install cell are not up to date: run `make notebooks`"


def _names(notebook: Notebook, name: str) -> Iterator[str]:
    for word, cells in names.used_twice(notebook).items():
        places = " and ".join(map(str, cells))
        yield f"{word} is a name of an exercise, and given in the code cells {places}: rename one"


def _code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def main() -> int:
    """Check every notebook and the table about them; return 1 if something is wrong."""
    notebooks = {path.name: layout.read(path) for path in layout.paths()}
    found = [fault for name, notebook in notebooks.items() for fault in faults(notebook, name)]
    found += repeated(notebooks)
    if not table.is_current():
        found.append("docs/notebooks.md: the table is not up to date: run `make notebooks`")
    print("\n".join([*found, f"{len(notebooks)} notebooks, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
