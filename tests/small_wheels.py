"""Wheels of a few bytes, for the real pip."""

import ensurepip
from pathlib import Path
from zipfile import ZipFile

_PLACES = Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")

#: A wheel of pip, or None where this Python comes without one.
PIP = next((wheel for place in _PLACES for wheel in place.glob("pip-*.whl")), None)


def write_wheel(folder, name, version="1.0", requires=(), tag="py3-none-any", code="", extras=()):
    """Write a wheel of one module, whose function `main` is a command if it has one."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if "def main" in code:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{n},,\n" for n in [*files, f"{info}/RECORD"])
    with ZipFile(path, "w") as file:
        for member, content in files.items():
            file.writestr(member, content)
    return path
