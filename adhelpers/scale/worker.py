"""What a worker is given once: models, by their digest; an interpreter for each of its threads.

A plugin brings them, which workers that come later are given too. What `Client.scatter` places
would be lost with the worker that has it.
"""

import sys
import threading
from hashlib import sha256
from importlib.metadata import version

from distributed import WorkerPlugin

from .. import edge
from ..backbones import LiteRTRunner
from ..ground import UserError

#: Packages whose versions change the last bits of a result, or what travels.
_PACKAGES = ("adhelpers", "numpy", "opencv-python-headless", "ai-edge-litert", "distributed")

_models: dict[str, bytes] = {}
_threads = threading.local()


class ModelMissing(RuntimeError):
    """This worker was not given the model: its scheduler has forgotten it."""


def versions() -> dict[str, str]:
    """Return the versions that workers and the one who gives them work must have in common."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{package: version(package) for package in _PACKAGES}}


def digest_of(model: bytes) -> str:
    """Return the name by which a model is asked for."""
    return sha256(model).hexdigest()[:32]


def take(model: bytes) -> str:
    """Keep a model for this process, and return its digest."""
    digest = digest_of(model)
    _models[digest] = model
    return digest


class Models(WorkerPlugin):
    """Gives a model to each worker, and keeps a worker out that has other versions.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file.
    """

    def __init__(self, model: bytes):
        self.name = f"adhelpers-{digest_of(model)}"
        self._model, self._versions = model, versions()

    def setup(self, worker) -> None:
        theirs = versions()
        if differing := [
            f"{name} {theirs[name]} instead of {mine}"
            for name, mine in self._versions.items()
            if theirs[name] != mine
        ]:
            raise UserError(
                f"worker {worker.address} has {', '.join(differing)}; install the same versions "
                "on all machines"
            )
        take(self._model)

    def teardown(self, worker) -> None:
        _models.pop(digest_of(self._model), None)


def detector_of(digest: str) -> edge.Detector:
    """Return this thread's own detector of a model."""
    kept = vars(_threads).setdefault("detectors", {})
    if digest not in kept:
        kept.clear()
        with _starting:  # it turns stderr off as it starts
            kept[digest] = edge.Detector(_model(digest), threads=1)
    return kept[digest]


def runner_of(digest: str, map_levels: tuple[str, ...]) -> LiteRTRunner:
    """Return this thread's own runner of a backbone."""
    kept = vars(_threads).setdefault("runners", {})
    if (digest, map_levels) not in kept:
        kept.clear()
        with _starting:
            kept[digest, map_levels] = LiteRTRunner(_model(digest), 1, map_levels)
    return kept[digest, map_levels]


_starting = threading.Lock()


def _model(digest: str) -> bytes:
    if digest not in _models:
        raise ModelMissing(digest)
    return _models[digest]
