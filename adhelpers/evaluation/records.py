"""The rows of a summary, which commands keep from one call to the next."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypeVar, get_origin

from ..ground import reading, write_text

Row = TypeVar("Row")


def read_rows(kind: type[Row], path: Path) -> list[Row]:
    """Return the rows that earlier calls left in a file; none where there is no file.

    Parameters
    ----------
    kind : type
        The dataclass of a row.
    path : Path

    Raises
    ------
    UserError
        If the file is no such summary: what others wrote there is not to be lost.
    """
    if not path.exists():
        return []
    with reading(path, "a summary of this version", "remove it, or choose another folder"):
        records = json.loads(path.read_text("utf-8"))
        return [_row(kind, record) for record in records]


def joined_rows(earlier: Sequence[Row], new: Sequence[Row], name: Callable) -> list[Row]:
    """Return earlier rows, but for those that have the name of a new one, and the new ones."""
    names = {name(row) for row in new}
    return [*(row for row in earlier if name(row) not in names), *new]


def write_rows_as_json(rows: Sequence, path: Path, more: Sequence[str] = ()) -> None:
    """Write rows with all their fields, and with these of their properties."""
    records = [
        {**asdict(row), **{property: getattr(row, property) for property in more}} for row in rows
    ]
    write_text(path, json.dumps(records, indent=2, ensure_ascii=False) + "\n")


def _row(kind: type[Row], record: dict) -> Row:
    values = {field.name: record[field.name] for field in fields(kind)}
    for field in fields(kind):
        plain = dict if get_origin(field.type) is dict else field.type
        if not isinstance(values[field.name], plain):
            raise ValueError(f"{field.name} is {values[field.name]!r:.40}")
    return kind(**values)
