"""Set up this computer for the workshop, from the folder that this file lies in, without a network.

    python3 install.py               # Windows: py install.py
    python3 install.py FOLDER        # elsewhere than in adhelpers-workshop in your home folder
    python3 install.py --teacher     # with the notebooks that hold the solutions

It ends with OK, or with NOT OK and what to mend; then run it again. Files that you have changed are
kept. It takes Python's standard library alone, and is written so that Pythons from 3.7 on can read
it, and say that they are too old.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import BadZipFile, ZipFile

KIT = Path(__file__).resolve().parent
FOLDER = Path.home() / "adhelpers-workshop"
PYTHONS = "3.11", "3.12", "3.13"
OLDEST = {"linux": (2, 28), "macos": (13, 0)}  # of glibc, and of macOS: what the wheels need
NO_WHEELS = {
    "macos-x64": "TensorFlow 2.21 and LiteRT have no wheels for Intel Macs (on an Apple chip: this "
    "is an Intel Python; take the one for arm64)",
    "windows-arm64": "TensorFlow 2.21 and LiteRT have no wheels for Windows on ARM (WSL with Linux "
    "can take those for linux-arm64)",
}
INSTEAD = "work with a neighbour, or open room/detector/page.html and site/README.html in a browser"
LONGEST = 70  # letters of a folder on Windows, which allows 260 in all; TensorFlow's take 190
MARK = "made-by-install.txt"
PYC = 1.2  # what an environment takes, compared with what its wheels unpack to


class Trouble(Exception):
    """What stands in the way, and how to mend it, in one line."""


def main(arguments: list[str] | None = None, kit: Path = KIT) -> int:
    """Install and check; return 0, or 2 after a line that says what to mend."""
    parser = argparse.ArgumentParser(
        prog="install.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("--teacher", action="store_true", help="with the solutions")
    options = parser.parse_args(arguments)
    folder = options.folder.expanduser().resolve()
    python = ".".join(map(str, sys.version_info[:2]))
    try:
        check_python(python)
        name = platform_name(sysconfig.get_platform(), platform.machine())
        lock = find_lock(kit / "wheels", name, python)
        check_system(name, platform.libc_ver(), platform.mac_ver()[0])
        wheels = check_wheels(lock)
        check_folder(folder, name, wheels)
        install(folder, lock, wheels)
        copy(kit / "room", folder)
        if options.teacher:
            copy(kit / "teacher", folder / "teacher")
        doctor(folder)
    except (Trouble, OSError) as error:
        print(f"NOT OK: {error}", file=sys.stderr)
        return 2
    jupyter = program(folder / ".venv", "jupyter").relative_to(folder)
    print(f'OK. To open the notebooks:\n  cd "{folder}"\n  {jupyter} lab notebooks')
    return 0


def check_python(found: str) -> None:
    """Raise a Trouble unless this is a Python that the wheels are made for."""
    if found not in PYTHONS:
        raise Trouble(
            f"Python {found} found, {PYTHONS[0]} to {PYTHONS[-1]} needed: install one of them, and "
            "run this with it (python3.12 install.py; on Windows py -3.12 install.py)"
        )


def platform_name(build: str, machine: str) -> str:
    """Return the kit's name of a platform, such as ``linux-x64``.

    Parameters
    ----------
    build : str
        What `sysconfig.get_platform` says: of this Python, where the machine could run others, too.
    machine : str
        What `platform.machine` says, for a Python that is built for several machines (macOS).

    Raises
    ------
    Trouble
        If it is none that the kit knows, such as one of 32 bits.

    Examples
    --------
    >>> platform_name("win-amd64", "AMD64"), platform_name("macosx-11.0-universal2", "arm64")
    ('windows-x64', 'macos-arm64')
    """
    systems = {"win": "windows", "macosx": "macos", "linux": "linux"}
    machines = {"amd64": "x64", "x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}
    system = systems.get(re.split(r"[-\d]", build)[0])
    built_for = machine if build.endswith("universal2") else build.rpartition("-")[2]
    if system is None or built_for.lower() not in machines:
        raise Trouble(
            f"this Python is built for {build}, which has no wheels of TensorFlow: install a "
            f"Python of 64 bits for x64 or arm64, or {INSTEAD}"
        )
    return f"{system}-{machines[built_for.lower()]}"


def find_lock(wheels: Path, name: str, python: str) -> Path:
    """Return the list of the wheels for this platform and Python.

    Raises
    ------
    Trouble
        If the kit has none: it says which there are.
    """
    lock = wheels / f"{name}-py{python}.txt"
    if lock.is_file():
        return lock
    if name in NO_WHEELS:
        raise Trouble(f"{NO_WHEELS[name]}: {INSTEAD}")
    there = sorted(path.stem for path in wheels.glob("*-py*.txt"))
    pythons = [stem.partition("-py")[2] for stem in there if stem.startswith(f"{name}-py")]
    if pythons:
        raise Trouble(
            f"Python {python} found, and the kit has wheels for Python {', '.join(pythons)}: "
            f"run it with that (python{pythons[-1]} install.py; on Windows py -{pythons[-1]} "
            "install.py)"
        )
    raise Trouble(
        f"the kit has no wheels for {name}, only: {', '.join(there) or 'none'}; make it for "
        f"{name} where there is a network, or {INSTEAD}"
    )


def check_system(name: str, libc: tuple[str, str], macos: str) -> None:
    """Raise a Trouble if the operating system is older than the wheels allow."""
    system = name.partition("-")[0]
    if system == "linux" and libc[0] != "glibc":
        raise Trouble(f"this Linux has no glibc (as Alpine), and the wheels need it: {INSTEAD}")
    found = {"linux": libc[1], "macos": macos}.get(system)
    if found and _numbers(found) < OLDEST[system]:
        what = {"linux": "glibc", "macos": "macOS"}[system]
        oldest = ".".join(map(str, OLDEST[system]))
        raise Trouble(f"{what} {found} found, {oldest} or newer needed: renew it, or {INSTEAD}")


def check_wheels(lock: Path) -> list[Path]:
    """Return the wheels of a list, after a look at each.

    Raises
    ------
    Trouble
        If one is missing, or is not what was put into the kit.
    """
    rows = re.findall(r"sha256:([0-9a-f]{64})  # (\S+)", lock.read_text(encoding="utf-8"))
    for digest, name in rows:
        wheel = lock.parent / name
        if not wheel.is_file() or _sha256(wheel) != digest:
            raise Trouble(f"{wheel} is missing or damaged: copy the kit again")
    return [lock.parent / name for _, name in rows]


def check_folder(folder: Path, name: str, wheels: list[Path]) -> None:
    """Raise a Trouble if another environment is there, the name too long, or the disk too full."""
    if name.startswith("windows") and len(str(folder)) > LONGEST:
        raise Trouble(f"{folder}: longer than {LONGEST} letters: name another, as C:\\workshop")
    environment = folder / ".venv"
    if environment.exists() and not (folder / MARK).is_file():
        raise Trouble(f"{environment} was not made by install.py: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    needed = 0 if environment.exists() else PYC * sum(map(_unpacked, wheels)) / 1e9
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise Trouble(
            f"{free:.1f} GB free for {folder}, {needed:.1f} GB needed: free some, or name a folder "
            "on another disk"
        )


def install(folder: Path, lock: Path, wheels: list[Path]) -> None:
    """Make the folder's environment anew, and install the wheels of the list into it.

    pip comes from the kit, as some systems' Python has none. It looks at the kit alone, resolves
    every requirement, and installs nothing whose SHA-256 is not in the list.

    Raises
    ------
    Trouble
        If pip fails; it has said why.
    """
    environment = folder / ".venv"
    print(f"installing {len(wheels)} packages into {environment}: some minutes ...", flush=True)
    (folder / MARK).write_text("install.py makes .venv here anew when it is run again.\n")
    venv.create(environment, clear=True)
    (pip,) = [wheel for wheel in wheels if wheel.name.startswith("pip-")]
    words = ["--quiet", "--no-cache-dir", "--no-index", "--find-links", lock.parent]
    others = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(
        [program(environment, "python"), pip / "pip", "install", *words, "-r", lock],
        env={**others, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode:
        raise Trouble("pip could not install the packages, as it says above: copy the kit again")


def copy(source: Path, folder: Path) -> None:
    """Copy a folder of the kit; what is there already is kept, as it may hold somebody's work."""
    kept = 0
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif target.exists():
            kept += target.read_bytes() != path.read_bytes()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    if kept:
        print(f"{folder}: {kept} files that differ from the kit's are kept as they are")


def doctor(folder: Path) -> None:
    """Raise a Trouble unless ``adhelpers doctor`` finds that all is well; it prints its checks."""
    code = subprocess.run([program(folder / ".venv", "adhelpers"), "doctor"], cwd=folder).returncode
    if code:
        raise Trouble(
            f"adhelpers doctor ended with {code}: do what its lines say, and run it again"
        )


def program(environment: Path, name: str) -> Path:
    """Return the path of a program of an environment, on Windows and elsewhere."""
    if os.name == "nt":
        return environment / "Scripts" / f"{name}.exe"
    return environment / "bin" / name


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _unpacked(wheel: Path) -> int:
    """Return how many bytes a wheel unpacks to."""
    try:
        with ZipFile(wheel) as file:
            return sum(member.file_size for member in file.infolist())
    except BadZipFile as error:
        raise Trouble(f"{wheel} is damaged: copy the kit again") from error


if __name__ == "__main__":
    sys.exit(main())
