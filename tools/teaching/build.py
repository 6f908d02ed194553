"""Build the teacher's material: slides, cheat sheet and feedback form, as HTML and PDF.

    python -m tools.teaching.build build/teaching

Each HTML file holds all it needs. reveal.js is fetched once by npm, and kept in the cache. Without
Chromium or Chrome the PDFs are left out.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adhelpers.ground import UserError, write_text

from . import pages, printing

#: What is written, by name.
MATERIAL = {
    "slides": pages.slides,
    "cheat-sheet": lambda: pages.sheet("cheat-sheet", "Cheat sheet"),
    "feedback": lambda: pages.sheet("feedback", "What did you think of it?"),
}


def build(folder: Path) -> list[Path]:
    """Write the pages, and PDFs of them where there is a browser; return the files."""
    written = [folder / f"{name}.html" for name in MATERIAL]
    for path, page in zip(written, MATERIAL.values(), strict=True):
        write_text(path, page())
    if not printing.program():
        print(f"no PDFs: none of {', '.join(printing.CHROMIUMS)} on this machine")
        return written
    prints = {path: path.with_suffix(".pdf") for path in written}
    printing.print_all(prints)
    return [*written, *prints.values()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the material, and list the files."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.teaching.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/teaching"))
    folder = parser.parse_args(arguments).folder
    try:
        for path in build(folder):
            print(f"{path.stat().st_size / 1e6:5.1f} MB  {path}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
