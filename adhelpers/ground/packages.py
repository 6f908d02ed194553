"""What is installed here."""

from importlib import metadata


def installed_version(package: str) -> str | None:
    """Return a package's version, or None where it is not installed.

    Examples
    --------
    >>> installed_version("no such package") is None
    True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
