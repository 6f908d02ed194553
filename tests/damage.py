"""Detectors' files that are damaged, or that say something else, for tests to refuse."""

import json
from collections.abc import Iterator
from random import Random

from adhelpers import edge
from adhelpers.export.detector_graph import sealed

_SEAL_LENGTH = len(edge.SEAL) + 32


def unsealed(model: bytes) -> bytes:
    """Take the checksum, and the word that there is one, out of an exported detector."""
    assert model[-_SEAL_LENGTH:].startswith(edge.SEAL)
    return model[:-_SEAL_LENGTH].replace(b'"sealed": true', b'"sealed":false')


def without_record(model: bytes) -> bytes:
    """Make an exported detector one that tells nothing about itself, and has no checksum."""
    return unsealed(model).replace(edge.RECORD_NAME, b"X" * len(edge.RECORD_NAME))


def with_record(model: bytes, record) -> bytes:
    """Give an exported detector another record, as JSON or in bytes, and a checksum again."""
    old = edge._record_text(model)
    new = record if isinstance(record, bytes) else json.dumps(record).encode()
    assert len(new) <= len(old)
    return sealed(unsealed(model.replace(old, new.ljust(len(old)))))


def damaged(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield copies of a file's content, each with one byte changed."""
    chance = Random(seed)
    for _ in range(count):
        copy = bytearray(content)
        copy[chance.randrange(len(copy))] ^= chance.randrange(1, 256)
        yield bytes(copy)
