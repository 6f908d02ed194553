"""What tests of the commands share: a network that is built in no time, and an ordinary user."""

import ctypes
import sys

import pytest
from networks import small_backbone

from adhelpers import backbones

_VERSION = 0x20080522  # of the kernel's structures
_READ_ALL = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: root reads and writes all


@pytest.fixture
def small_network(tmp_path, monkeypatch):
    """Let the commands take a small network, and a cache of their own."""
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        backbones, "load_backbone", lambda name, weights, size, seed: small_backbone(size)
    )


@pytest.fixture
def close(tmp_path):
    """Return what takes the permission to use a path, or some of it, until the test is over.

    It counts for root too, who loses the capabilities of a superuser for this thread and those
    that it starts.
    """
    closed = {}

    def closing(path, mode: int = 0) -> None:
        closed[path] = path.stat().st_mode
        path.chmod(mode)

    before = _capabilities() if sys.platform == "linux" else None
    if before:
        _set_capabilities([before[0] & ~_READ_ALL, *before[1:]])
    try:
        trial = tmp_path / "trial"
        trial.touch()
        closing(trial)
        try:
            trial.read_bytes()
        except PermissionError:
            yield closing
        else:
            pytest.skip("permissions do not count here")
    finally:
        if before:
            _set_capabilities(before)
        for path, mode in closed.items():
            path.chmod(mode)


def _capabilities() -> list[int]:
    """Return this thread's capabilities: effective, permitted and inheritable, twice 32 bits."""
    header, found = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capget(header, found)
    return list(found)


def _set_capabilities(wanted: list[int]) -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)(*wanted)) == 0
