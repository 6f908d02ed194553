"""The wheels for a platform: this package, and all that it requires there, at the pinned versions.

pip alone would follow the markers of the computer that it runs on, and leave out what only Windows
needs; so it is asked for one generation of requirements after the other, without their own.
"""

import hashlib
import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from adhelpers.ground import UserError

from .platforms import Platform

PACKAGE, EXTRAS = "adhelpers", ("notebooks", "scale")


def build(checkout: Path, folder: Path) -> Path:
    """Build this package's wheel into a folder, and return its path."""
    with TemporaryDirectory() as temporary:
        _pip(["wheel", "--no-deps", "--wheel-dir", temporary, str(checkout)], PACKAGE)
        (wheel,) = Path(temporary).glob("*.whl")
        return _moved(wheel, folder)


def gather(
    own: Path, platform: str, kind: Platform, python: str, pins: Path, folder: Path
) -> dict[str, Path]:
    """Bring the wheels that a platform needs into a folder; those that are there are taken.

    Parameters
    ----------
    own : Path
        This package's wheel.
    platform : str
        The platform's name, for errors.
    kind : Platform
    python : str
        Such as ``3.12``.
    pins : Path
        The file with the versions, as ``pip install -c`` reads it.
    folder : Path

    Returns
    -------
    wheels : dict of str to Path
        By the package's name; pip is among them.

    Raises
    ------
    UserError
        If a package has no wheel for this platform and Python, or cannot be fetched.
    """
    environment = kind.markers(python)
    versions = _versions(pins, environment)
    wheels, asked = {PACKAGE: own}, set()
    new = {("pip", ""), *((PACKAGE, extra) for extra in ("", *EXTRAS))}
    while new:
        missing = sorted({name for name, _ in new} - wheels.keys())
        wanted = [f"{name}=={versions[name]}" if name in versions else name for name in missing]
        wheels |= _fetched(wanted, f"{platform}, Python {python}", kind, python, folder)
        asked |= new
        new = {need for name, extra in new for need in needs(wheels[name], extra, environment)}
        new -= asked
    return wheels


def needs(wheel: Path, extra: str, environment: dict[str, str]) -> set[tuple[str, str]]:
    """Return what a wheel requires, as pairs of a package and an extra of it (or ``""``).

    Parameters
    ----------
    wheel : Path
    extra : str
        The wheel's own extra, or ``""``.
    environment : dict of str to str
        The values of markers.
    """
    with ZipFile(wheel) as file:
        (name,) = [n for n in file.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        lines = Parser().parsestr(file.read(name).decode()).get_all("Requires-Dist", [])
    found = set()
    for requirement in map(Requirement, lines):
        if not requirement.marker or requirement.marker.evaluate({**environment, "extra": extra}):
            found |= {(canonicalize_name(requirement.name), e) for e in ("", *requirement.extras)}
    return found


def lock(wheels: dict[str, Path]) -> str:
    """Return the list of wheels that install.py and pip read, with their SHA-256."""
    lines = []
    for name, wheel in sorted(wheels.items()):
        extras = f"[{','.join(EXTRAS)}]" if name == PACKAGE else ""
        version = parse_wheel_filename(wheel.name)[1]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}{extras}=={version} --hash=sha256:{digest}  # {wheel.name}\n")
    return "".join(lines)


def _versions(pins: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the pinned version of every package that has one in this environment."""
    found = map(Requirement, filter(None, pins.read_text("utf-8").splitlines()))
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in found
        if not pin.marker or pin.marker.evaluate(environment)
    }


def _fetched(
    wanted: list[str], place: str, kind: Platform, python: str, folder: Path
) -> dict[str, Path]:
    if not wanted:
        return {}
    tags = [word for tag in kind.tags for word in ("--platform", tag)]
    with TemporaryDirectory(dir=folder) as temporary:
        words = ["--no-deps", "--only-binary", ":all:", "--find-links", str(folder)]
        words += ["--dest", temporary, "--python-version", python, *tags]
        _pip(["download", *words, *wanted], place)
        moved = [_moved(wheel, folder) for wheel in sorted(Path(temporary).glob("*.whl"))]
    return {parse_wheel_filename(wheel.name)[0]: wheel for wheel in moved}


def _moved(wheel: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return wheel.replace(folder / wheel.name)


def _pip(words: list[str], place: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        last = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {done.returncode}"
        raise UserError(f"{place}: {last}; look whether there is a network, and such a wheel")
