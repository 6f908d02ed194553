"""Which images: folders, patterns, lists and tables of URLs, of any storage that fsspec knows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fsspec.implementations.local import LocalFileSystem

from ..datasets import IMAGE_SUFFIXES
from ..ground import UserError
from .storage import located, opened, reason, shown

_TABLES = (".parquet", ".csv")
_MAGIC = set("*?[")


@dataclass(frozen=True, order=True, slots=True)
class Source:
    """An image in storage.

    Parameters
    ----------
    url : str
        A plain path for a local file.
    version : str
        Its size with its tag or its time of change, as the storage lists them; empty if it does
        not list the image.
    """

    url: str
    version: str = ""


def list_urls(
    sources: str | Path | Iterable[str | Path], column: str = "url"
) -> tuple[list[Source], str]:
    """List images of storage.

    Parameters
    ----------
    sources : str, Path, or iterable of them
        Folders, read to their depth; patterns, with ``*``, ``?`` or ``[``; images; tables, ``.csv``
        or ``.parquet``, which name an image in each row. Local ones, or URLs (``s3://``,
        ``gs://``, ``az://``).
    column : str
        Of the tables.

    Returns
    -------
    images : list of Source
        Each once, sorted by URL.
    left_out : str
        Which files of folders were no images by their names, in words; empty if there were none.

    Raises
    ------
    UserError
        If a source cannot be listed, a table lacks the column, or there is no image.
    """
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    found: dict[str, str] = {}
    named, others = [], Counter()
    for source in map(str, sources):
        suffix = PurePosixPath(source).suffix.lower()
        if suffix in _TABLES:
            named += _column(source, suffix, column)
        elif suffix in IMAGE_SUFFIXES and not _MAGIC & set(source):
            named.append(source)
        else:
            found |= _listed(source, others)
    found |= _versions(named)
    if not found:
        names = ", ".join(map(shown, map(str, sources[:3]))) or "an empty list"
        raise UserError(f"no images in {names}; expected files like {', '.join(IMAGE_SUFFIXES)}")
    words = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
    left_out = f"left out, as no images by their names: {words}" if words else ""
    return [Source(*item) for item in sorted(found.items())], left_out


def _listed(source: str, others: Counter) -> dict[str, str]:
    """Return the images of a folder or a pattern, and count what else is there."""
    is_pattern = bool(_MAGIC & set(source))
    try:
        fs, path = located(source)
        files = fs.glob(path, detail=True) if is_pattern else fs.find(path, detail=True)
        if not files and not is_pattern:
            fs.ls(path)  # which says why
    except FileNotFoundError as error:
        words = error.strerror or str(error)
        words = words if " " in words and source not in words else "there is no such folder"
        raise UserError(f"{shown(source)}: {words}; name one with images") from None
    except Exception as error:  # each storage has kinds of its own
        raise UserError(f"{shown(source)}: cannot be listed ({reason(error)})") from None
    images = {}
    for name, info in files.items():
        below = name.rpartition("/")[2] if is_pattern else name.removeprefix(path)
        if info["type"] != "file" or any(x.startswith(".") for x in below.split("/")):
            continue
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            images[_url(fs, name)] = _version(info)
        else:
            others[suffix or PurePosixPath(name).name] += 1
    return images


def _versions(urls: Sequence[str]) -> dict[str, str]:
    """Return images with their versions, by one listing of each folder that they lie in."""
    folders: dict[str, list[str]] = {}
    for url in urls:
        folders.setdefault(url.rpartition("/")[0], []).append(url)
    found = {}
    for folder, members in folders.items():
        try:
            fs, path = located(folder or ".")
            known = {_url(fs, x["name"]): _version(x) for x in fs.ls(path, detail=True)}
        except FileNotFoundError:
            known = {}  # reading the image says so
        except Exception as error:
            raise UserError(f"{shown(folder)}: cannot be listed ({reason(error)})") from None
        for url in members:
            full = _url(fs, located(url)[1]) if known else url
            found[full] = known.get(full, "")
    return found


def _column(source: str, suffix: str, column: str) -> list[str]:
    """Return a table's column of URLs."""
    from pyarrow import csv, parquet

    try:
        with opened(source) as file:
            table = parquet.read_table(file) if suffix == ".parquet" else csv.read_csv(file)
    except Exception as error:
        raise UserError(f"{shown(source)}: cannot be read as a table ({reason(error)})") from None
    if column not in table.column_names:
        raise UserError(
            f"{shown(source)}: no column {column!r}; choose one of: {', '.join(table.column_names)}"
        )
    values = table.column(column).to_pylist()
    if bad := [i for i, value in enumerate(values) if not isinstance(value, str) or not value]:
        raise UserError(
            f"{shown(source)}: {len(bad)} of {len(values)} cells of {column!r} are no URLs, first "
            f"in row {bad[0] + 1}; fill or remove them"
        )
    return values


def _url(fs, path: str) -> str:
    return path if isinstance(fs, LocalFileSystem) else fs.unstrip_protocol(path)


def _version(info: dict) -> str:
    tags = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")
    tag = next((str(info[name]) for name in tags if info.get(name)), "")
    return f"{info.get('size')} {tag}"
