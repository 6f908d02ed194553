"""Run the notebooks from clean kernels and write them back, executed, with what was measured.

    python -m tools.notebooks.run            # all, and the table in docs/notebooks.md
    python -m tools.notebooks.run 03 05      # these
    python -m tools.notebooks.run --output build/tried \\
        --set 'DATA, CATEGORY = "../data/mvtec_ad", "screw"'

With --set, the lines are run after the parameters cell, and the result must go elsewhere.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from . import derived, layout, table

CELL_TIMEOUT = 120  # seconds
CORES = 2


def execute(notebook: nbformat.NotebookNode, folder: Path) -> dict:
    """Run a notebook in a clean kernel that works in `folder`; outputs are put into its cells.

    Returns
    -------
    measured : dict
        ``seconds``, from the kernel's start to its last cell, to five; ``memory_gb``, the most
        that the kernel held, to a tenth (0 where the system does not tell).

    Raises
    ------
    nbclient.exceptions.CellExecutionError, CellTimeoutError
        If a cell fails, or takes longer than `CELL_TIMEOUT`.
    """
    peak = 0.0

    def note_peak(**_) -> None:
        nonlocal peak
        peak = _peak_gigabytes(client.km.provisioner.pid)

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=note_peak,
        extra_arguments=["--log-level=ERROR"],
    )
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    return {
        "seconds": 5 * math.ceil(seconds / 5),
        "memory_gb": math.ceil(10 * peak) / 10,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the notebooks named, or all; return 1 if one fails."""
    options = _parser().parse_args(arguments)
    if options.set and not options.output:
        sys.exit("--set changes the notebooks: name another folder with --output")
    if hasattr(os, "sched_setaffinity"):  # the kernels inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    failed = [path.name for path in layout.paths(options.names) if not _run_one(path, options)]
    if not options.output:
        table.write()
    if failed:
        print(f"failed, and not written: {', '.join(failed)}")
    return 1 if failed else 0


def _run_one(path: Path, options: argparse.Namespace) -> bool:
    """Run a notebook and write it; tell whether it went through."""
    notebook = layout.read(path)
    address = layout.repository()
    if options.set:
        (parameters,) = layout.tagged(notebook, layout.PARAMETERS)
        parameters.source = "\n".join([parameters.source, *options.set])
    else:
        derived.refresh(notebook, path.name, address)
    try:
        measured = execute(notebook, layout.FOLDER)
    except (CellExecutionError, CellTimeoutError) as error:
        print(f"{path.name}: {error}", flush=True)
        return False
    for warning in _stderr(notebook):
        print(f"{path.name}, stderr: {warning}")
    if not options.set:
        notebook.metadata["adhelpers"] = {**measured, "minutes": derived.minutes(notebook)}
        derived.refresh(notebook, path.name, address)
    layout.write(notebook, Path(options.output or layout.FOLDER) / path.name)
    print(f"{path.name}: {measured['seconds']} s, {measured['memory_gb']} GB", flush=True)
    return True


def _stderr(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        output.text.strip()
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]


def _peak_gigabytes(process: int) -> float:
    """Return the largest resident set that a process had, in GB; 0 where the system hides it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e9


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="how their names start, such as 03; or all")
    parser.add_argument("--output", metavar="DIR", help="write there, and leave the docs alone")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="LINE", help="Python, run after the parameters"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
