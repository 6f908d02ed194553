"""Tables in Markdown: read from what a command prints, filled in where a page has them.

A table that is filled in stands below a line ``<!-- table: NAME -->``.
"""

import re
from collections.abc import Iterator
from pathlib import Path

Cells = dict[tuple[str, str], str]  # text by row and column

MARK = re.compile(r"<!-- table: ([\w-]+) -->")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_RULE = re.compile(r"\|?[\s:|-]+\|?")


def pages() -> list[Path]:
    """Return the pages that have tables, README first."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def marked(text: str) -> dict[str, int]:
    """Return the names of the tables that are filled in, with the line where each begins."""
    found = (MARK.fullmatch(line) for line in text.splitlines())
    return {match[1]: number + 1 for number, match in enumerate(found) if match}


def printed(text: str) -> dict[str, Cells]:
    """Return the tables that a command printed, each by its own first cell or the last heading.

    Examples
    --------
    >>> printed("## gear\\n| | 1 |\\n|---|---|\\n| L2 | 0.5 |")
    {'gear': {('L2', '1'): '0.5'}}
    """
    lines, tables, title = text.splitlines(), {}, ""
    for number, line in enumerate(lines):
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("|") and not (number and lines[number - 1].startswith("|")):
            tables[_cells(line)[0] or title] = {
                (row, column): cell for row, column, cell, _ in _walk(lines, number)
            }
    return tables


def filled(text: str, name: str, cells: Cells) -> tuple[str, list[str]]:
    """Fill a page's table in.

    Only the numbers of a cell are replaced, as many as it has: marks and words around them stay.
    Cells of the table that are not given stay as they are.

    Parameters
    ----------
    text : str
        The page.
    name : str
        Of the table.
    cells : dict of (str, str) to str
        By row and column, as the table names them (without ``**`` and ``*``).

    Returns
    -------
    text : str
    changes : list of str
        What changed, a line each.

    Raises
    ------
    KeyError
        If the table has no such row or column.
    ValueError
        If a cell has more numbers than are given.
    """
    lines, changes, left = text.splitlines(), [], dict(cells)
    for row, column, old, place in _walk(lines, marked(text)[name]):
        if (row, column) not in left:
            continue
        new = _replaced(old, left.pop((row, column)))
        if new != old:
            line, number = place
            changes.append(f"{row}, {column}: {old} -> {new}")
            parts = lines[line].split("|")
            parts[number + 1] = f" {new} "
            lines[line] = "|".join(parts)
    if left:
        raise KeyError(f"{name} has no {', '.join(map(str, left))}")
    return "\n".join(lines) + "\n", changes


def _replaced(old: str, new: str) -> str:
    """Return a cell with other numbers, or, where it has none, another text."""
    shown, numbers = len(_NUMBER.findall(old)), _NUMBER.findall(new)
    if not shown:
        return old if _plain(old) == new else new
    if shown > len(numbers):
        raise ValueError(f"{new!r} has fewer numbers than {old!r}")
    given = iter(numbers)
    return _NUMBER.sub(lambda match: next(given), old)


def _walk(lines: list[str], first: int) -> Iterator[tuple[str, str, str, tuple[int, int]]]:
    """Yield row, column, text and place of the cells of the table that begins at a line.

    Of rows, or columns, of the same name the second is numbered (2), and so on.
    """
    columns, seen = _numbered(_plain(cell) for cell in _cells(lines[first])), []
    for number in range(first + 1, len(lines)):
        if not lines[number].startswith("|"):
            return
        if _RULE.fullmatch(lines[number]):
            continue
        head, *cells = _cells(lines[number])
        seen.append(_plain(head))
        for i, (column, cell) in enumerate(zip(columns[1:], cells, strict=True), start=1):
            yield _numbered(seen)[-1], column, cell, (number, i)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _plain(cell: str) -> str:
    return cell.replace("*", "").strip()


def _numbered(names) -> list[str]:
    names = list(names)
    counts = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [f"{n} ({k})" if k > 1 else n for n, k in zip(names, counts, strict=True)]
