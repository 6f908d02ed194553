"""Compare the outputs of notebooks with those of a new run, by nbval.

    python -m tools.notebooks.gate            # every text output of every cell
    python -m tools.notebooks.gate --lax 03   # the cells tagged nbval-check-output
    python -m tools.notebooks.gate --as all   # on other processors' ways to compute, too

Pictures and what goes to stderr are left out of the comparison.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from . import layout
from .run import CELL_TIMEOUT

#: As which processors notebooks and tests can be run, by environment variables: the kernels that
#: OpenBLAS chooses, those of NumPy that are left out, and the threads. What a variable names that
#: this machine lacks changes nothing.
PROCESSORS = {
    "this one": {},
    "AVX2": {
        "OPENBLAS_CORETYPE": "Haswell",  # and Zen, whose kernels are the same
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_NUM_THREADS": "2",
    },
    "AVX-512": {"OPENBLAS_CORETYPE": "SkylakeX", "OPENBLAS_NUM_THREADS": "2"},
    "SSE, one thread": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_NUM_THREADS": "1",
    },
}
#: The one that differs most from current processors.
FARTHEST = "SSE, one thread"


def as_on(processor: str) -> dict[str, str]:
    """Return an environment in which programs compute as on one of the `PROCESSORS`.

    Parameters
    ----------
    processor : str
    """
    if processor == "this one":
        return dict(os.environ)
    names = {name for settings in PROCESSORS.values() for name in settings}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | PROCESSORS[processor]


def compare(
    paths: Sequence[Path],
    lax: bool,
    processor: str = "this one",
    variables: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run nbval on notebooks in a process of its own and return pytest's exit code.

    Parameters
    ----------
    paths : sequence of Path
    lax : bool
        Compare the cells tagged ``nbval-check-output`` alone; the others must run.
    processor : str
        A key of `PROCESSORS`.
    variables : mapping of str to str
        Of the environment, besides.
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
    environment = {**as_on(processor), **variables}
    return subprocess.run(command, cwd=layout.ROOT, env=environment).returncode


def pytest_itemcollected(item) -> None:
    """Leave stderr and pictures out of nbval's comparison (as a pytest plugin, in that process)."""
    if hasattr(item.parent, "skip_compare") and "stderr" not in item.parent.skip_compare:
        item.parent.skip_compare = (*item.parent.skip_compare, "stderr", "text/html")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the notebooks named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks.gate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="how their names start, such as 03; or all")
    parser.add_argument("--lax", action="store_true", help="tagged cells alone")
    parser.add_argument(
        "--as", dest="processor", default="this one", choices=(*PROCESSORS, "all"), metavar="WHICH"
    )
    options = parser.parse_args(arguments)
    codes = []
    for processor in PROCESSORS if options.processor == "all" else [options.processor]:
        print(f"as on: {processor}", flush=True)
        codes.append(compare(layout.paths(options.names), options.lax, processor))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
