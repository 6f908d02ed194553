"""Temporary files that tell whose they are, so that what a killed process left can be removed."""

import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

_DAY = 24 * 3600.0
_SHARE = 20  # a folder is looked through for at most a 20th of the time
_NAME = re.compile(r"\..*\.ad-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}(\.[^.]*)?$", re.DOTALL)

_under_way: set[str] = set()
_next_look: dict[Path, float] = {}


def temporary_path(path: Path) -> Path:
    """Return a name for the file or folder that is to become `path`, beside it, with its suffix.

    The name holds the machine's mark and the process's number; `remove_leftovers` knows it by
    these. Give it to `forget` once there is nothing under it any more.
    """
    stem = path.stem.encode("utf-8", "surrogateescape")[:80].decode("utf-8", "ignore")
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 20 else ""
    name = f".{stem}.ad-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"
    _under_way.add(name)
    return path.with_name(name)


def forget(temporary: Path) -> None:
    """Say that a temporary file is renamed or removed."""
    _under_way.discard(temporary.name)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder.

    Those of a process that lives are kept, whatever their age. Of a process on another machine,
    say on a shared disk, nobody here can tell: its files are removed when they are a day old.
    Large folders are not looked through again at once: it takes a twentieth of the time at most.
    """
    start = time.monotonic()
    if start < _next_look.get(folder, 0.0):
        return
    for name in filter(_is_temporary, _names(folder)):
        with suppress(OSError):  # another process may have removed it
            if _is_left_over(folder / name):
                _remove(folder / name)
    now = time.monotonic()
    _next_look[folder] = now + _SHARE * (now - start)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder; none where it may not be listed."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and _NAME.match(name) is not None


def _is_left_over(path: Path) -> bool:
    """Tell whether nobody works on a temporary file any more."""
    if path.name in _under_way:
        return False
    machine, process = _NAME.match(path.name)[1], int(_NAME.match(path.name)[2])
    if os.name == "posix" and machine == _machine():
        return process == os.getpid() or not _lives(process)
    return time.time() - path.lstat().st_mtime > _DAY


def _lives(process: int) -> bool:
    """Tell whether a process of this machine lives (asked by signal 0, which does nothing)."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it lives, and is another user's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@cache
def _machine() -> str:
    """Return a mark that tells this machine, or container, from others."""
    return blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
