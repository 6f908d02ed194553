"""The first and the second call of each command with the built-in weights: time and memory.

Each command runs in a process of its own, here and as of an earlier commit, by turns: cold, in an
empty folder with an empty cache of models, and warm, in the same folder again. Needs git.

    python benchmarks/first_run.py --before COMMIT
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
IMAGES = "data/synthetic/weave/train"
BUILTIN = "--weights builtin"
#: The commands in their order: each may use what those before it wrote.
COMMANDS = {
    "--help": "--help",
    "run, one category": f"run --data_path synthetic --category weave {BUILTIN} --no_quantize",
    "fit": f"fit {IMAGES} {BUILTIN} -o detector.tflite",
    "score, one image": f"score detector.tflite {IMAGES}/good/000.png",
    "doctor": "doctor",
}


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check out a commit into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(place), commit], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


def measured(source: Path, words: str, folder: Path) -> tuple[float, float]:
    """Run a command of a checkout in a folder, and return its seconds and its memory in MB."""
    command = [sys.executable, "-c", "import sys; from adhelpers.cli import main; sys.exit(main())"]
    variables = {**os.environ, "PYTHONPATH": str(source), "ADHELPERS_CACHE": f"{folder}/cache"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, *words.split()],
        cwd=folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{words}: ended with {status}")
    return time.perf_counter() - start, used.ru_maxrss / 1e3


def cold_and_warm(source: Path) -> dict[str, np.ndarray]:
    """Return seconds and MB, cold and warm, (2, 2), of each command in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        return {
            command: np.array([measured(source, words, Path(name)) for _ in ("cold", "warm")])
            for command, words in COMMANDS.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", required=True, metavar="COMMIT")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with checked_out(options.before) as before:
        turns = [[cold_and_warm(x) for x in (before, ROOT)] for _ in range(options.repeats)]
    print("| | | s before | s now | ratio | MB before | MB now | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for command in COMMANDS:
        cells = np.median([[one[command] for one in turn] for turn in turns], axis=0)
        for i, heat in enumerate(("cold", "warm")):
            (s, mb), (s_now, mb_now) = cells[:, i]
            print(
                f"| {command} | {heat} | {s:.2f} | {s_now:.2f} | {s_now / s:.2f} | {mb:.0f} | "
                f"{mb_now:.0f} | {mb_now / mb:.2f} |"
            )


if __name__ == "__main__":
    main()
