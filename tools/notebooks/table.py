"""The table of the notebooks in docs/notebooks.md, made from what the notebooks say themselves."""

from . import layout

PAGE = layout.ROOT / "docs" / "notebooks.md"
START, END = "<!-- table: made by `make notebooks` -->", "<!-- end of the table -->"


def text() -> str:
    """Return the table, in Markdown."""
    lines = [
        "| notebook | minutes with the exercises | seconds to run | memory, GB |",
        "|---|---|---|---|",
    ]
    rows = [(path, layout.read(path)) for path in layout.paths()]
    measured = [notebook.metadata.get("adhelpers", {}) for _, notebook in rows]
    for (path, notebook), row in zip(rows, measured, strict=True):
        cells = [str(row.get(key, "")) for key in ("minutes", "seconds", "memory_gb")]
        lines.append(f"| {_link(path.name, layout.title(notebook))} | {' | '.join(cells)} |")
    totals = [sum(row.get(key, 0) for row in measured) for key in ("minutes", "seconds")]
    highest = max((row.get("memory_gb", 0) for row in measured), default=0)
    lines.append(f"| all | {totals[0]} | {totals[1]} | {highest} |")
    return "\n".join(lines)


def write() -> None:
    """Put the table into the page."""
    before, after = _around()
    PAGE.write_text(f"{before}{START}\n{text()}\n{END}{after}", "utf-8")


def is_current() -> bool:
    """Tell whether the page holds the table that the notebooks give."""
    before, after = _around()
    return PAGE.read_text("utf-8") == f"{before}{START}\n{text()}\n{END}{after}"


def _around() -> tuple[str, str]:
    page = PAGE.read_text("utf-8")
    return page.partition(START)[0], page.partition(END)[2]


def _link(name: str, words: str) -> str:
    return f"[{words}](../notebooks/{name})"
