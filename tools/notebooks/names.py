"""Names that a notebook gives to two things, so that an exercise done again later would fail."""

import ast
from collections import defaultdict

import nbformat

from . import layout

_WITH_NAMES_OF_THEIR_OWN = ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp


def used_twice(notebook: nbformat.NotebookNode) -> dict[str, list[int]]:
    """Return the names of exercises and solutions that more than one code cell gives to something.

    An exercise that is done again at the end of the notebook finds what its names stood for when
    it was first done only if no other cell gives them to something else. An exercise and its
    solution count as one cell.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    cells : dict of str to list of int
        By name, the numbers of the code cells, from 1, that give it.
    """
    given, asked = defaultdict(list), set()
    place = 0
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        tags = layout.tags(cell)
        if layout.INSTALL in tags:
            continue  # it holds a %pip, which is no Python
        tree = ast.parse(cell.source)
        if layout.SOLUTION not in tags:
            place = number
        if {layout.EXERCISE, layout.SOLUTION} & set(tags):
            asked |= stored(tree) | _read(tree)
        for name in stored(tree):
            if place not in given[name]:
                given[name].append(place)
    return {name: cells for name, cells in given.items() if name in asked and len(cells) > 1}


def _read(tree: ast.Module) -> set[str]:
    """Return the names that a cell reads outside functions."""
    lines = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
    nodes = [node for line in lines for node in ast.walk(line)]
    own = {
        x.id for node in nodes if isinstance(node, ast.comprehension) for x in _names(node.target)
    }
    return {x.id for line in lines for x in _names(line)} - own


def _names(node: ast.AST) -> list[ast.Name]:
    return [x for x in ast.walk(node) if isinstance(x, ast.Name)]


def stored(tree: ast.AST) -> set[str]:
    """Return the names that code gives to something, those inside functions left out.

    Examples
    --------
    >>> code = "a, b = 1, 2\\nfor c in d: f = [g for g in d]\\ndef h():\\n    i = 1"
    >>> sorted(stored(ast.parse(code)))
    ['a', 'b', 'c', 'f', 'h']
    """
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, _WITH_NAMES_OF_THEIR_OWN):
            continue
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        else:
            found |= stored(node)
    return found
