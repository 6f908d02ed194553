"""Fetch MVTec AD, or say exactly how to do it by hand."""

import hashlib
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..ground import UserError
from .archives import check_ordinary
from .download import download
from .unpack import unpack

MVTEC_PAGE = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
MVTEC_LICENCE = "CC BY-NC-SA 4.0"
MVTEC_ARCHIVE = "mvtec_anomaly_detection.tar.xz"
MVTEC_SHA256 = "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d"

#: The address that anomalib and others used in summer 2026 (its predecessors answer 404 by now).
#: It was taken from their code and not tried here: it may have moved again.
MVTEC_URL = (
    "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/"
    "download/420938113-1629960298/mvtec_anomaly_detection.tar.xz"
)

MVTEC_CATEGORIES = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)


def fetch_mvtec(
    target: str | Path = "data/mvtec_ad",
    categories: str | Collection[str] | None = None,
    url: str | None = None,
    archive: str | Path | None = None,
    sha256: str = MVTEC_SHA256,
) -> Path:
    """Download MVTec AD (4.9 GB; or take an archive), check its sum, and unpack it.

    The data set is licensed CC BY-NC-SA 4.0: not for commercial use. The archive is kept in
    `target` while `categories` leaves something in it to unpack, or when unpacking fails, so that
    the next call need not download it again.

    Parameters
    ----------
    target : str or Path
        The data set's folder. Categories that are in it are kept as they are.
    categories : str or collection of str, optional
        Which to unpack; by default all.
    url : str, optional
        Where to download from instead of `MVTEC_URL`.
    archive : str or Path, optional
        An archive fetched by hand, to unpack instead of downloading one. It is never removed.
    sha256 : str
        The archive's SHA-256, in hexadecimal. It must be named if the archive is not the official
        one (one of a single category, say).

    Returns
    -------
    target : Path
        The data set's folder, ready for `adhelpers.datasets.load_mvtec`.

    Raises
    ------
    UserError
        If an argument makes no sense, the download fails, the sum is another, the archive is
        damaged, unsafe or lacks a category, or there is no room. The message says what to do.
    """
    target, sha256 = Path(target), sha256.strip().lower()
    if isinstance(categories, str):
        categories = [categories]
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise UserError(f"{sha256!r} is not a SHA-256: expected 64 hexadecimal digits")
    if url is not None and archive is not None:
        raise UserError("an address and an archive were given: use one of --url and --archive")
    if sha256 == MVTEC_SHA256:
        _check_names(categories)
        names = categories or MVTEC_CATEGORIES
    else:
        names = categories
    if names and all((target / name).is_dir() for name in names):
        _note(f"{target} holds {', '.join(names)} already: nothing to do")
        return target
    with _written_into(target):
        if archive is None:
            _download_and_unpack(url or MVTEC_URL, target, names, sha256, keep=bool(categories))
        else:
            _unpack_by_hand(Path(archive), target, names, sha256)
    return target


def _check_names(categories: Collection[str] | None) -> None:
    """Raise a UserError if MVTec AD has no such category: 4.9 GB are too many to find out by."""
    unknown = sorted(set(categories or ()) - set(MVTEC_CATEGORIES))
    if unknown:
        raise UserError(
            f"MVTec AD has no {', '.join(unknown)}: choose among {', '.join(MVTEC_CATEGORIES)}"
        )


@contextmanager
def _written_into(target: Path) -> Iterator[None]:
    """Make the folder `target`, remove it if it ends up empty, and say what does not work."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(
            f"{error.filename or target} cannot be read or written ({error.strerror or error}): "
            "make room, put the permissions right, or choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # it is not empty, or not a folder
            target.rmdir()


def _download_and_unpack(
    url: str, target: Path, names: Collection[str] | None, sha256: str, keep: bool
) -> None:
    """Download the archive into `target` unless it is there, check it, and unpack it."""
    archive = target / f"archive-{sha256[:12]}"  # by its sum: the same file from any address
    if not archive.exists():
        _note(f"fetching {url} (licence of MVTec AD: {MVTEC_LICENCE}, see {MVTEC_PAGE})")
        try:
            download(url, archive)
        except UserError as error:
            raise UserError(f"{error}; or {_by_hand(sha256)}") from error
    found = _sha256(archive)
    if found != sha256:
        archive.unlink()
        raise UserError(
            f"the file from {url} has the SHA-256 {found}, expected {sha256}: it was removed; "
            f"try again, name another address with --url, or {_by_hand(sha256)}"
        )
    try:
        unpack(archive, target, names)
    except BaseException:
        _note(f"{archive} is complete and kept: the next call need not download it again")
        raise
    if keep:
        _note(f"{archive} is kept for further categories: remove it if you need none")
    else:
        archive.unlink()


def _unpack_by_hand(
    archive: Path, target: Path, names: Collection[str] | None, sha256: str
) -> None:
    """Check and unpack an archive that the user brought."""
    if archive.is_dir():
        raise UserError(
            f"{archive} is a folder, expected an archive: if it holds the unpacked data set, "
            "name it with --data_path"
        )
    if not archive.exists():
        raise UserError(f"there is no archive {archive}: {_by_hand(sha256)}")
    found = _sha256(archive)
    if found != sha256:
        raise UserError(
            f"{archive} has the SHA-256 {found}, expected {sha256}: fetch it again, or if it is "
            f"meant to be another archive, say so with --sha256 {found}"
        )
    unpack(archive, target, names)


def _by_hand(sha256: str) -> str:
    """Say how to do it by hand."""
    return (
        f"download {MVTEC_ARCHIVE} by hand from {MVTEC_PAGE} and run `adhelpers fetch mvtec "
        f"--archive FILE` (its SHA-256 is {sha256})"
    )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    check_ordinary(path)
    _note(f"checking {path}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(text: str) -> None:
    """Tell the user what goes on, without mixing it with a command's output."""
    print(text, file=sys.stderr)
