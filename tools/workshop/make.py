"""Make the workshop kit: a folder for a USB stick, from which a room without a network works.

    python -m tools.workshop.make                                  # for computers such as this one
    python -m tools.workshop.make --platform windows-x64 macos-arm64 linux-x64 --python 3.12 3.13
    python -m tools.workshop.make --weights efficientnetb0_notop.h5

It fetches wheels, so it needs a network; those that are in the kit already are not fetched again.
"""

import argparse
import platform
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from adhelpers.ground import UserError, check_choice

from . import install, parts, wheels
from .platforms import PLATFORMS

_FOLDERS = "room", "teacher", "site", "teaching"

_README = """\
Workshop: Gaussian anomaly detection, without a network

1. Copy this folder to the computer (quicker than from the stick).
2. In a terminal, in this folder:
     Windows         py install.py
     macOS, Linux    python3 install.py
   It needs one of these:
{targets}
   It ends with OK and how to open the notebooks, or with NOT OK and what to mend.
   The teacher takes: install.py --teacher (with the solutions, in the folder teacher)

Without installing anything, in a browser:
  site/README.html                     everything to read
  room/detector/page.html              a detector, and pictures for it in room/detector/examples
  teaching/slides.html                 the slides; beside them a cheat sheet and a feedback form

ImageNet weights, where room/weights holds some: WEIGHTS = "../weights/NAME" in a notebook.

In the kit, MB:
{sizes}
{left_out}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the kit; return 0, or 2 after one line that says what to mend."""
    options = _parser().parse_args(arguments)
    try:
        kit, left_out = options.output, {}
        targets = chosen_targets(options.platform or [_here()], options.python)
        _clear(kit, options.weights)
        locks = gathered(kit / "wheels", targets)
        for name, write in _parts(options.weights).items():
            try:
                write(kit)
            except UserError as error:
                left_out[name] = str(error)
        _finish(kit, locks, left_out)
    except (UserError, install.Trouble, OSError) as error:
        print(f"workshop: {error}", file=sys.stderr)
        return 2
    return 0


def chosen_targets(platforms: Sequence[str], pythons: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of a platform and a Python, after a look at both.

    Raises
    ------
    UserError
        If a name is none of `PLATFORMS`, or a Python none that the package supports.
    """
    for name in platforms:
        check_choice("platform with all wheels", name, PLATFORMS)
    for python in pythons:
        check_choice("Python", python, install.PYTHONS)
    return [(name, python) for name in platforms for python in pythons]


def gathered(folder: Path, targets: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Bring the wheels for all targets into a folder, remove others, and print the sizes.

    Returns
    -------
    locks : dict of str to str
        By file name, the list of a target's wheels.
    """
    own = wheels.build(parts.ROOT, folder)
    locks, used = {}, set()
    for name, python in targets:
        pins = parts.ROOT / "constraints.txt"
        found = wheels.gather(own, name, PLATFORMS[name], python, pins, folder)
        locks[f"{name}-py{python}.txt"] = wheels.lock(found)
        used |= set(found.values())
        size = sum(wheel.stat().st_size for wheel in found.values()) / 1e6
        print(f"{name}, Python {python}: {len(found)} wheels, {size:.0f} MB", flush=True)
    for wheel in set(folder.glob("*.whl")) - used:
        wheel.unlink()
    return locks


def _here() -> str:
    return install.platform_name(sysconfig.get_platform(), platform.machine())


def _parts(weights: Sequence[Path]) -> dict[str, Callable[[Path], None]]:
    return {
        "the notebooks": parts.notebooks,
        "the data": parts.data,
        "the detector's page": parts.detector,
        "ImageNet weights": partial(parts.weights, files=weights),
        "the site": parts.site,
        "the teacher's material": parts.teaching,
    }


def _clear(kit: Path, weights: Sequence[Path]) -> None:
    """Remove what an earlier run wrote, all but the wheels."""
    for path in weights:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; --weights names files of weights")
    if kit.is_dir() and any(kit.iterdir()) and not (kit / "install.py").is_file():
        raise UserError(f"{kit} holds something else; name an empty or new folder by --output")
    (kit / "wheels").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(install.__file__, kit / "install.py")
    for lock in (kit / "wheels").glob("*.txt"):
        lock.unlink()
    for name in _FOLDERS:
        shutil.rmtree(kit / name, ignore_errors=True)
    (kit / "room").mkdir()


def _finish(kit: Path, locks: dict[str, str], left_out: dict[str, str]) -> None:
    """Write README.txt, and last of all the lists of wheels: a kit without them is not complete."""
    names = [name.removesuffix(".txt").split("-py") for name in locks]
    sizes = "\n".join(
        f"  {path.name:<10}{_megabytes(path):>8.1f}"
        for path in (kit / name for name in ("wheels", *_FOLDERS))
        if path.is_dir()
    )
    missing = "".join(f"Left out: {name}: {why}\n" for name, why in left_out.items())
    text = _README.format(
        targets="\n".join(f"     {name}, Python {python}" for name, python in names),
        sizes=sizes,
        left_out=missing,
    )
    (kit / "README.txt").write_text(text, encoding="utf-8")
    for name, lock in locks.items():
        (kit / "wheels" / name).write_text(lock, encoding="utf-8")
    print(f"{kit}, MB:\n{sizes}\n{missing}", end="")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.workshop.make",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    python = ".".join(map(str, sys.version_info[:2]))
    add("--platform", nargs="+", metavar="NAME", help=", ".join(PLATFORMS))
    add("--python", nargs="+", default=[python], metavar="X.Y", help=", ".join(install.PYTHONS))
    add("--weights", nargs="+", type=Path, default=[], metavar="FILE", help="ImageNet weights")
    add("--output", type=Path, default=parts.BUILD / "workshop", metavar="DIR", help="the kit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
