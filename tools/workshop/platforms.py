"""The platforms that a kit can be made for: which wheels they take, and what markers say there."""

from dataclasses import dataclass

from packaging.markers import default_environment

from .install import OLDEST

_GLIBC = [f"manylinux_2_{minor}" for minor in range(OLDEST["linux"][1], 16, -1)]
_MANYLINUX = (*_GLIBC, "manylinux2014", "manylinux2010", "manylinux1")
_MACOS = "macosx_{}_{}".format(*OLDEST["macos"])  # pip takes the older ones, too


@dataclass(frozen=True)
class Platform:
    """A kind of computer.

    Attributes
    ----------
    tags : tuple of str
        The platform tags of the wheels that it takes, the best first.
    environment : dict of str to str
        What it has for the environment markers of requirements.
    """

    tags: tuple[str, ...]
    environment: dict[str, str]

    def markers(self, python: str) -> dict[str, str]:
        """Return the values of all markers for a version of Python, such as ``3.12``.

        It counts as the first of its line (3.12.0), so that what is chosen suits every other.
        """
        of_python = {"python_version": python, "python_full_version": f"{python}.0"}
        return {**default_environment(), **self.environment, **of_python}


def _environment(system: str, sys_platform: str, os_name: str, machine: str) -> dict[str, str]:
    return {
        "platform_system": system,
        "sys_platform": sys_platform,
        "os_name": os_name,
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


PLATFORMS = {
    "linux-x64": Platform(
        tuple(f"{tag}_x86_64" for tag in _MANYLINUX),
        _environment("Linux", "linux", "posix", "x86_64"),
    ),
    "linux-arm64": Platform(
        tuple(f"{tag}_aarch64" for tag in _MANYLINUX[: len(_GLIBC) + 1]),
        _environment("Linux", "linux", "posix", "aarch64"),
    ),
    "macos-arm64": Platform(
        (f"{_MACOS}_arm64",),
        _environment("Darwin", "darwin", "posix", "arm64"),
    ),
    "windows-x64": Platform(("win_amd64",), _environment("Windows", "win32", "nt", "AMD64")),
}
