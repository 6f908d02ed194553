"""The sums of one block of images: fetched, decoded, run through the network, and summed up."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256

import numpy as np

from ..gaussian import LocalMoments, Moments
from ..ground import UserError, ordered_map
from ..images import decode, to_square
from . import storage
from .urls import Source
from .worker import runner_of, versions

Sums = dict[str, Moments] | dict[str, LocalMoments]  # by level

#: So many images are summed up in one step.
BLOCK = 64
_CHUNK = 32  # images that are fetched while those before them are run


@dataclass(frozen=True)
class Plan:
    """What the sums depend on, apart from the images.

    Parameters
    ----------
    model : str
        The digest of the backbone.
    input_size, protocol, bits
        As in `adhelpers.Origin`.
    levels : tuple of str
    by_position : bool
        Whether feature maps are summed up, or pooled features.
    held_out : float
        The share of images that are left out of the sums, by their content.
    folder : str
        Where sums are kept.
    """

    model: str
    input_size: int
    protocol: str
    bits: int
    levels: tuple[str, ...]
    by_position: bool
    held_out: float
    folder: str

    def name_of(self, images: Sequence[Source]) -> str:
        """Return the name under which the sums of images are kept."""
        facts = {**asdict(self), "folder": None, "block": BLOCK, "versions": versions()}
        text = json.dumps([facts, [[image.url, image.version] for image in images]])
        return sha256(text.encode()).hexdigest()[:32]


def block_sums(plan: Plan, images: Sequence[Source], held_out: list, errors: list) -> Sums:
    """Sum up a block of images.

    Parameters
    ----------
    plan : Plan
    images : sequence of Source
        At most `BLOCK` of them.
    held_out : list
        URLs and versions of images are added that are held out.
    errors : list
        Paths and reasons are added of images that cannot be read.

    Returns
    -------
    sums : dict of str to Moments or LocalMoments
        By level; empty if no image is left.
    """
    parts: list[dict[str, np.ndarray]] = []
    for chunk, contents in fetched(images):
        pixels = []
        for image, content in zip(chunk, contents, strict=True):
            path = storage.shown(image.url)
            try:
                squared = _squared(content, path, plan)
                if _is_held_out(content, plan.held_out):
                    held_out.append((image.url, image.version))
                else:
                    pixels.append(squared)
            except (UserError, OSError, MemoryError) as error:
                errors.append((path, storage.reason(error, path)))
        if pixels:
            parts.append(_features(plan, np.stack(pixels)))
    if not parts:
        return {}
    of = LocalMoments.of if plan.by_position else Moments.of
    return {name: of(np.concatenate([part.pop(name) for part in parts])) for name in plan.levels}


def fetched(images: Sequence[Source]) -> Iterator[tuple[Sequence[Source], list]]:
    """Yield some images after the other with their contents, or errors; the next are on the way."""
    chunks = (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))
    return ordered_map(
        lambda chunk: (chunk, storage.fetch([image.url for image in chunk])), chunks, 1, ahead=2
    )


def _squared(content: bytes | Exception, path: str, plan: Plan) -> np.ndarray:
    if isinstance(content, Exception):
        raise content
    return to_square(decode(content, path, plan.bits), plan.input_size, plan.protocol)


def _is_held_out(content: bytes, share: float) -> bool:
    """Tell by a file's content, so that copies of an image are held out together."""
    number = int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
    return number < share * 2**64


def _features(plan: Plan, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return feature maps, or pooled features, of the levels."""
    runner = runner_of(plan.model, plan.levels if plan.by_position else ())
    pooled, maps = runner.run(images)
    levels = {name: (maps if plan.by_position else pooled)[name] for name in plan.levels}
    if bad := [name for name, x in levels.items() if not np.isfinite(x).all()]:
        raise UserError(
            f"{bad[0]} has NaN or infinite features; look at the images, and at the weights"
        )
    return levels
