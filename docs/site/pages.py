"""What a page of the checkout lacks on the site: the contents, and folded cells."""

import json

from rooms import ROOMS

#: The contents: captions, and the pages below them.
GROUPS = {
    "Notebooks": ["notebooks/*"],
    "Documentation": ["docs/*", "result/README"],
    "Reference": ["docs/api/index", *(f"docs/api/{room}" for room in ROOMS)],
    "Project": ["[A-Z]*"],
}


def setup(app) -> dict:
    """Change sources as Sphinx reads them."""
    app.connect("source-read", change_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def change_source(app, page: str, source: list[str]) -> None:
    """Add the contents to the first page, and to a notebook's cells what MyST-NB asks for."""
    if page == app.config.root_doc:
        source[0] += contents()
    elif page.startswith("notebooks/"):
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                change_cell(cell)
            else:
                cell["source"] = without_badges("".join(cell["source"]))
        source[0] = json.dumps(notebook)


def contents() -> str:
    """Return the first page's tables of contents, which the sidebar shows."""
    start = "\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {}\n\n{}\n```\n"
    return "".join(start.format(name, "\n".join(pages)) for name, pages in GROUPS.items())


def without_badges(text: str) -> str:
    """Leave out lines that start with a linked picture: badges come from other hosts."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("[!["))


def change_cell(cell: dict) -> None:
    """Fold a solution, and leave the installation out."""
    metadata = cell["metadata"]
    tags = metadata.setdefault("tags", [])
    if "solution" in tags:
        tags.append("hide-cell")
        metadata["mystnb"] = {
            "code_prompt_show": "Show the solution",
            "code_prompt_hide": "Hide it",
        }
    if "install" in tags:
        tags.append("remove-cell")
