"""Rows of scores as a table: its columns, and its file."""

import io
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from ..ground import UserError, check_writable_file, chosen, write_rows, written_whole
from .scoring import Row


def columns(levels: Sequence[str]) -> list[str]:
    """Return the names of a table's columns: those of edge.py, the levels, and the error."""
    return ["path", "score", "threshold", "decision", *levels, "error"]


def cells(row: Row, levels: Sequence[str]) -> list[str | float | None]:
    """Return a row's cells, by the columns; bytes of a path that are no text are spelled out."""
    path, error = map(_printable, (row.path, row.error))
    distances = map(row.distances.get, levels)
    return [path, row.score, row.threshold, row.decision, *distances, error]


def check_table(path: Path) -> None:
    """Make sure, before the work begins, that rows can be written to a file.

    Raises
    ------
    UserError
        If its suffix is unknown or needs a package that is not installed, if it is a folder, or
        if its folder cannot be made or written to.
    """
    package, _ = _kind(path)
    if package and not find_spec(package):
        raise UserError(f"{path}: needs the package {package}; pip install it, or write a .csv")
    check_writable_file(path)


def write_table(path: Path, levels: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows to a file, whole or not at all, once the last of them is there.

    Parameters
    ----------
    path : Path
        Its suffix says how: ``.csv``, or ``.parquet``.
    levels : sequence of str
    rows : iterable of Row
    """
    _, write = _kind(path)
    write(path, columns(levels), [cells(row, levels) for row in rows])


def _kind(path: Path) -> tuple[str | None, Callable]:
    return chosen(f"suffix of the table {path}", path.suffix.lower(), _TABLES)


def as_parquet(levels: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Return rows as the content of a ``.parquet`` file."""
    file = io.BytesIO()
    _to_parquet(file, columns(levels), [cells(row, levels) for row in rows])
    return file.getvalue()


def _write_parquet(path: Path, head: Sequence[str], rows: Sequence[Sequence]) -> None:
    with written_whole(path) as temporary:
        _to_parquet(temporary, head, rows)


def _to_parquet(where: Path | BinaryIO, head: Sequence[str], rows: Sequence[Sequence]) -> None:
    import pyarrow
    from pyarrow import parquet

    kinds = {name: pyarrow.string() for name in ("path", "decision", "error")}
    data = [
        pyarrow.array(column, kinds.get(name, pyarrow.float64()))
        for name, column in zip(head, zip(*rows, strict=True), strict=True)
    ]
    parquet.write_table(pyarrow.table(data, names=list(head)), where)


def _printable(text: str | None) -> str | None:
    return text and text.encode("utf-8", "backslashreplace").decode()


#: What writes a table, and the package that it needs, by the file's suffix.
_TABLES = {".csv": (None, write_rows), ".parquet": ("pyarrow", _write_parquet)}
