"""Make again what rests on the built-in weights: tables, figures, notebooks.

    python -m tools.tables.make                   # all of it
    python -m tools.tables.make distances figures # some

Each cell that changes is printed: the sentences beside its table may have to change as well, and so
may what is set in bold. Times, and columns of other weights or of real images, stay as they are.
"""

import argparse
import shutil
import sys
from pathlib import Path

from PIL import Image

from tools import first_screen
from tools.notebooks import run

from . import pages, recipes

#: Figures that are those of a command, by the table that its numbers are in.
FIGURES = {
    "docs/figures/method-levels.png": ("distances", "tables/table_levels_efficientnet-b0.png"),
    "docs/figures/where-tablet.png": ("split", "where_tablet_efficientnet-b0.png"),
}
OTHERS = ("figures", "notebooks")
LARGE = 600_000  # bytes


def main() -> int:
    """Make what is named, and return 1 if a number changed, or a notebook failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*recipes.TABLES, *OTHERS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    chosen = parser.parse_args().names or names
    if unknown := set(chosen) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    changed = sum([fill(name) for name in chosen if name in recipes.TABLES])
    if "figures" in chosen:
        draw()
    failed = run.main([]) if "notebooks" in chosen else 0
    print(f"{changed} numbers changed")
    return min(changed, 1) or failed


def fill(name: str) -> int:
    """Fill a table in, and return how many of its cells changed."""
    (page,) = (page for page in pages.pages() if name in pages.marked(page.read_text("utf-8")))
    text, changes = pages.filled(page.read_text("utf-8"), name, recipes.TABLES[name]())
    for change in changes:
        print(f"{page}, {name}: {change}", flush=True)
    if changes:
        page.write_text(text, encoding="utf-8")
    return len(changes)


def draw() -> None:
    """Draw the figures."""
    first_screen.main()
    for place, (table, source) in FIGURES.items():
        recipes.TABLES[table]()
        keep(recipes.OUTPUT / source, Path(place))


def keep(source: Path, place: Path) -> None:
    """Copy a picture; a large one, of photographs, in 128 colours."""
    if source.stat().st_size < LARGE:
        shutil.copyfile(source, place)
    else:
        Image.open(source).convert("RGB").quantize(128).save(place, optimize=True)
    print(place, flush=True)


if __name__ == "__main__":
    sys.exit(main())
