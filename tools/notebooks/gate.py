"""Compare the outputs of notebooks with those of a new run, by nbval.

    python -m tools.notebooks.gate            # every text output of every cell
    python -m tools.notebooks.gate --lax 03   # the cells tagged nbval-check-output

Images and what goes to stderr are left out of the comparison.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import layout
from .run import CELL_TIMEOUT


def compare(paths: Sequence[Path], lax: bool) -> int:
    """Run nbval on notebooks in a process of its own and return pytest's exit code.

    Parameters
    ----------
    paths : sequence of Path
    lax : bool
        Compare the cells tagged ``nbval-check-output`` alone; the others must run.
    """
    command = [
        *(sys.executable, "-m", "pytest", "-q", "--color=no", "--tb=short"),
        *("-p", "tools.notebooks.gate", "-p", "no:cacheprovider", "-o", "addopts="),
        "--nbval-lax" if lax else "--nbval",
        "--nbval-current-env",
        f"--nbval-cell-timeout={CELL_TIMEOUT}",
        f"--nbval-sanitize-with={Path(__file__).with_name('nbval.txt')}",
        *map(str, paths),
    ]
    return subprocess.run(command, cwd=layout.ROOT).returncode


def pytest_itemcollected(item) -> None:
    """Leave stderr out of nbval's comparison (as a pytest plugin, in that process)."""
    if hasattr(item.parent, "skip_compare") and "stderr" not in item.parent.skip_compare:
        item.parent.skip_compare = (*item.parent.skip_compare, "stderr")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the notebooks named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks.gate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="how their names start, such as 03; or all")
    parser.add_argument("--lax", action="store_true", help="tagged cells alone")
    options = parser.parse_args(arguments)
    return compare(layout.paths(options.names), options.lax)


if __name__ == "__main__":
    sys.exit(main())
