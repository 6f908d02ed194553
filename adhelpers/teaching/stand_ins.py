"""Images of a data set that play the reader's own photographs, some of them spoilt."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .. import images
from ..datasets import Dataset, Samples


def play(data: Dataset, folder: str | Path, most: int = 80, seed: int = 0) -> tuple[Path, Path]:
    """Write folders of photographs as a reader may have them, from a category's images.

    Five of the normal ones are spoilt: a copy, one cut off, one grey (or tinted, where all are
    grey), one in other light, and one of another shape.

    Parameters
    ----------
    data : Dataset
    folder : str or Path
        Where to write them: into ``normal`` and ``defective`` below it.
    most : int
        How many normal photographs to use, and how many defective ones, at most.
    seed : int
        Of their order.

    Returns
    -------
    normal, defective : Path
    """
    normal, defective = Path(folder) / "normal", Path(folder) / "defective"
    rng = np.random.default_rng(seed)
    good = [*data.train.paths, *_of_label(data.test, 0)]
    _write(normal, [good[i].read_bytes() for i in rng.permutation(len(good))[:most]], good[0])
    bad = _of_label(data.test, 1)
    _write(defective, [bad[i].read_bytes() for i in rng.permutation(len(bad))[:most]], good[0])
    paths = sorted(normal.iterdir())
    for place, spoil in enumerate((_same, _cut_off, _without_colour, _darkened, _cropped), start=1):
        source = paths[place * len(paths) // 7]
        source.with_stem(f"{source.stem}_{place}").write_bytes(spoil(source))
    return normal, defective


def _of_label(samples: Samples, label: int) -> list[Path]:
    return [samples.paths[i] for i in np.flatnonzero(samples.labels == label)]


def _write(folder: Path, contents: Sequence[bytes], like: Path) -> None:
    folder.mkdir(parents=True)
    for i, content in enumerate(contents, start=1):
        (folder / f"IMG_{i:04}{like.suffix}").write_bytes(content)


def _same(path: Path) -> bytes:
    return path.read_bytes()


def _cut_off(path: Path) -> bytes:
    return path.read_bytes()[: path.stat().st_size // 2]


def _without_colour(path: Path) -> bytes:
    image = images.read(path)
    if np.ptp(image.astype(int), axis=2).mean() > 2:
        return _encoded(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), path)
    return _encoded((image * [0.7, 0.9, 1.0]).astype(np.uint8), path)


def _darkened(path: Path) -> bytes:
    return _encoded((images.read(path)[:, :, ::-1] * 0.3).astype(np.uint8), path)


def _cropped(path: Path) -> bytes:
    image = images.read(path)[:, :, ::-1]
    return _encoded(image[: image.shape[0] * 3 // 4], path)


def _encoded(image: np.ndarray, like: Path) -> bytes:
    return cv2.imencode(like.suffix, np.ascontiguousarray(image))[1].tobytes()
