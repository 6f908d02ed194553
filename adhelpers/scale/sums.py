"""Sums of features over blocks of images, joined in one order whatever the partitions.

Sums of floating-point numbers depend on their order. So the list of images is cut into blocks of
`BLOCK`, each is summed up in one step, and blocks are joined by a binary tree over their numbers.
A partition is a whole branch of this tree, and each part is computed alike everywhere: its bits
are the same from one process or from a hundred.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from typing import NamedTuple, TypeVar

import numpy as np

from ..gaussian import LocalMoments, Moments
from ..ground import UserError, linear_algebra_threads
from . import storage
from .blocks import BLOCK, Plan, Sums, block_sums
from .urls import Source

Part = TypeVar("Part")

#: So many files are joined by one task: a power of two.
FAN = 8


class Record(NamedTuple):
    """What is told of the images of a partition.

    Parameters
    ----------
    name : str
        Of the file of their sums.
    count : int
        How many were summed up.
    held_out : list of (str, str)
        URLs and versions of those held out.
    errors : list of (str, str)
        Paths of those that could not be read, and why.
    """

    name: str
    count: int
    held_out: list
    errors: list


def tree_sum(parts: Iterable[Part], join: Callable[[Part, Part], Part]) -> Part:
    """Join parts by a binary tree over their places; no more than log2(N) of them are kept.

    Where the number of parts is no power of two, a branch without a neighbour moves up.

    Examples
    --------
    >>> tree_sum("abcdefg", "({} {})".format)
    '(((a b) (c d)) ((e f) g))'
    """
    branches: list[tuple[int, Part]] = []
    for part in parts:
        height = 0
        while branches and branches[-1][0] == height:
            part, height = join(branches.pop()[1], part), height + 1
        branches.append((height, part))
    _, whole = branches.pop()
    while branches:
        whole = join(branches.pop()[1], whole)
    return whole


def sum_partition(task: tuple[Plan, list[Source], bool]) -> Record:
    """Sum up the images of a partition into a file.

    Parameters
    ----------
    task : (Plan, list of Source, bool)
        What, and whether the file is there.
    """
    plan, images, is_there = task
    name = plan.name_of(images)
    place = f"{plan.folder}/{name}"
    if is_there:
        return Record(*json.load(storage.read(f"{place}.json")))
    held_out, errors = [], []
    with linear_algebra_threads(1):
        chunks = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
        sums = tree_sum((block_sums(plan, chunk, held_out, errors) for chunk in chunks), _joined)
    count = next(iter(sums.values())).count if sums else 0
    record = Record(name, count, held_out, errors)
    storage.write(f"{place}.npz", _packed(sums))
    storage.write(f"{place}.json", json.dumps(record).encode())  # last: the sums are there then
    return record


def name_of_joined(names: Sequence[str]) -> str:
    """Return the name of the sums of some files together."""
    return sha256(" ".join(names).encode()).hexdigest()[:32]


def join_files(task: tuple[str, Sequence[str]]) -> None:
    """Join the sums of some files into one, a level at a time.

    Parameters
    ----------
    task : (str, sequence of str)
        The folder, and the names of the files, in their order.
    """
    folder, names = task
    levels = dict.fromkeys(level for name in names for level in _levels_of(folder, name))
    with linear_algebra_threads(1):
        sums = {
            level: tree_sum((_read(folder, name, level) for name in names), _joined_level)
            for level in levels
        }
    storage.write(f"{folder}/{name_of_joined(names)}.npz", _packed(sums))


def read_sums(folder: str, name: str) -> Sums:
    """Return the sums in a file."""
    return {level: _read(folder, name, level) for level in _levels_of(folder, name)}


def _joined(one: Sums, other: Sums) -> Sums:
    """Join sums level by level, and let go of each on the way: they are large."""
    if not one or not other:
        return one or other
    return {level: one.pop(level) + other.pop(level) for level in list(one)}


def _joined_level(one, other):
    return one + other if one and other else one or other


def _packed(sums: Sums) -> bytes:
    """Return sums as the bytes of an ``.npz`` file."""
    file = io.BytesIO()
    arrays = {
        f"{level}/{field.name}": getattr(moments, field.name)
        for level, moments in sums.items()
        for field in fields(moments)
    }
    np.savez(file, **arrays)
    return file.getvalue()


def _levels_of(folder: str, name: str) -> list[str]:
    with _arrays(folder, name) as arrays:
        return list(dict.fromkeys(key.partition("/")[0] for key in arrays.files))


def _read(folder: str, name: str, level: str) -> Moments | LocalMoments | None:
    """Return the sums of one level; None where a file has none."""
    with _arrays(folder, name) as arrays:
        keys = [key for key in arrays.files if key.startswith(f"{level}/")]
        found = {key.rpartition("/")[2]: arrays[key] for key in keys}
    plain = {key: x.item() if x.ndim == 0 else x for key, x in found.items()}
    if "shape" in plain:
        return LocalMoments(**{**plain, "shape": tuple(plain["shape"].tolist())})
    return Moments(**plain) if plain else None


@contextmanager
def _arrays(folder: str, name: str) -> Iterator[np.lib.npyio.NpzFile]:
    """Open a file of sums; what is damaged is refused by its check sums."""
    place = f"{folder}/{name}.npz"
    try:
        with storage.opened(place) as file, np.load(file) as arrays:
            yield arrays
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise UserError(
            f"{storage.shown(place)}: damaged ({storage.reason(error)}); remove it and the .json "
            "of its name, and run the same again"
        ) from None
