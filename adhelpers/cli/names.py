"""What the files are called that the commands write."""

import os
from collections.abc import Iterable
from hashlib import blake2b

_LONGEST = 200  # bytes; the system takes 255, of which suffixes and temporary names need some
_START = 80


def file_name(*parts: str) -> str:
    """Return parts as the name of a file, without a suffix, that any system takes.

    Of one that is too long, as a category's may be, the middle gives way to a digest of it all.

    Examples
    --------
    >>> file_name("scores", "wood", "efficientnet-b0")
    'scores_wood_efficientnet-b0'
    >>> len(file_name("scores", 250 * "w", "efficientnet-b0"))
    200
    """
    name = "_".join(parts)
    content = os.fsencode(name)
    if len(content) <= _LONGEST:
        return name
    digest = f"~{blake2b(content, digest_size=4).hexdigest()}~"
    end = content[len(content) - (_LONGEST - _START - len(digest)) :]
    return content[:_START].decode("utf-8", "ignore") + digest + end.decode("utf-8", "ignore")


def unlike(names: Iterable[str]) -> list[str]:
    """Return names none of which replaces another: a second NAME, in any case, becomes NAME-2.

    Examples
    --------
    >>> unlike(["a", "b", "A", "a"])
    ['a', 'b', 'A-2', 'a-3']
    """
    taken, found = set(), []
    for name in map(file_name, names):
        unused, count = name, 1
        while unused.casefold() in taken:
            count += 1
            unused = f"{name}-{count}"
        taken.add(unused.casefold())
        found.append(unused)
    return found
