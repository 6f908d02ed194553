"""The embedded default: five categories drawn from formulas, in MVTec AD's layout.

Nothing is downloaded. Each image is drawn from a seed sequence of its own, made from the seed, the
category, the split, the defect type and the index, so that it depends neither on how many others
are drawn nor on the number of threads. All is computed in float64 and rounded once, so that an
image is the same on every machine.
"""

import json
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ..ground import UserError, available_cores, check_choice, chosen, ordered_map
from . import mvtec
from .drawing import gear, label, tablet, weave, wood
from .drawing.camera import photograph
from .drawing.defects import visibly_changed
from .drawing.scene import Flaw
from .samples import GOOD, Dataset

#: To be raised with every change to the drawings, so that folders of an older version are redrawn.
VERSION = 1

_PAINTERS = {"gear": gear, "label": label, "tablet": tablet, "weave": weave, "wood": wood}
CATEGORIES = tuple(_PAINTERS)
_RECORD = "synthetic.json"
_PNG_FLAGS = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def defect_types(category: str) -> tuple[str, ...]:
    """Return the names of a category's defects.

    Examples
    --------
    >>> defect_types("weave")
    ('hole', 'thread_pull', 'stain')
    """
    return tuple(_painter(category).FLAWS)


def draw(
    category: str,
    kind: str = GOOD,
    index: int = 0,
    seed: int = 0,
    size: int = 256,
    split: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image in memory.

    Parameters
    ----------
    category : str
        One of `CATEGORIES`.
    kind : str
        ``"good"`` or one of ``defect_types(category)``.
    index : int
        Number of the image, 0 or more. The strength of a defect goes with it.
    seed : int
        0 or more.
    size : int
        Side S of the image in pixels, 32 or more.
    split : {"train", "test"}, optional
        ``"train"`` for a good image and ``"test"`` for a defect by default.

    Returns
    -------
    image : ndarray of uint8, shape (S, S, 3)
        RGB.
    mask : ndarray of bool, shape (S, S)
        Where the defect visibly changed the image; nowhere in a good one.

    Raises
    ------
    UserError
        If there is no such category, or no such kind in it.

    Examples
    --------
    >>> image, mask = draw("gear", "rust", index=3, size=64)
    >>> image.shape, image.dtype, bool(mask.any())
    ((64, 64, 3), dtype('uint8'), True)
    """
    painter = _painter(category)
    check_choice(f"kind of image of {category}", kind, (GOOD, *painter.FLAWS))
    split = split or ("train" if kind == GOOD else "test")
    name = zlib.crc32(f"{category}/{split}/{kind}".encode())
    scene_seed, camera_seed, flaw_seed = np.random.SeedSequence([seed, name, index]).spawn(3)

    scene = painter.paint(size, np.random.default_rng(scene_seed))
    good = photograph(scene.light, np.random.default_rng(camera_seed))
    if kind == GOOD:
        return good, np.zeros((size, size), bool)
    flaw = Flaw(kind, np.random.default_rng(flaw_seed), _strength(index))
    if paste := painter.FLAWS[kind]:
        return paste(good, flaw.rng, flaw.strength, scene.part)
    flawed_scene = painter.paint(size, np.random.default_rng(scene_seed), flaw)
    flawed = photograph(flawed_scene.light, np.random.default_rng(camera_seed))
    return flawed, visibly_changed(good, flawed)


def write(
    root: str | Path = "data/synthetic",
    categories: Sequence[str] = CATEGORIES,
    seed: int = 0,
    n_train: int = 48,
    n_test_good: int = 16,
    n_per_defect: int = 8,
    size: int = 256,
) -> Path:
    """Write categories as PNG files, leaving alone those that are there already.

    A category is drawn into a temporary folder that is renamed when it is complete. One that is
    there with other parameters, or from another version of the drawings, is replaced.

    Parameters
    ----------
    root : str or Path
        The data set's folder; made if missing.
    categories : sequence of str
        Some of `CATEGORIES`.
    seed : int
        0 or more.
    n_train, n_test_good, n_per_defect : int
        How many images to draw in ``train/good``, in ``test/good``, and of each defect type.
    size : int
        Side of the images in pixels, 32 or more.

    Returns
    -------
    root : Path

    Raises
    ------
    UserError
        If there is no such category, or if a folder of its name holds something else.
    """
    root = Path(root)
    for category in categories:
        _painter(category)
    record = {
        "version": VERSION,
        "seed": seed,
        "n_train": n_train,
        "n_test_good": n_test_good,
        "n_per_defect": n_per_defect,
        "size": size,
    }
    missing = [category for category in categories if _read_record(root / category) != record]
    plans = {category: _plan(category, n_train, n_test_good, n_per_defect) for category in missing}
    with tqdm(total=sum(map(len, plans.values())), unit="image", disable=None) as progress:
        for category, plan in plans.items():
            progress.set_description(f"drawing {category}")
            _write_category(root / category, plan, record, progress)
    return root


def load_synthetic(category: str, root: str | Path = "data/synthetic", seed: int = 0) -> Dataset:
    """List the images of a category, which is written first if it is not there with this seed.

    Parameters
    ----------
    category : str
        One of `CATEGORIES`.
    root : str or Path
        The data set's folder.
    seed : int
        0 or more.

    Returns
    -------
    dataset : Dataset
        As `adhelpers.datasets.load_mvtec` returns it.

    Raises
    ------
    UserError
        If there is no such category, or if a folder of its name holds something else.
    """
    _painter(category)
    record = _read_record(Path(root) / category)
    if record is None or (record.get("version"), record.get("seed")) != (VERSION, seed):
        write(root, (category,), seed)
    return mvtec.load_mvtec(root, category)


def _painter(category: str):
    """Return the module that draws a category."""
    return chosen("synthetic category", category, _PAINTERS)


def _strength(index: int) -> float:
    """Return the strength of the defect in image `index`, 0-1.

    Multiples of the golden ratio, modulo 1, spread evenly however many are taken.
    """
    return (0.5 + index * (5**0.5 - 1) / 2) % 1


def _plan(category: str, n_train: int, n_test_good: int, n_per_defect: int) -> list[tuple]:
    """Return split, kind and index of every image of a category."""
    counts = {("train", GOOD): n_train, ("test", GOOD): n_test_good}
    counts |= {("test", kind): n_per_defect for kind in defect_types(category)}
    return [(*folder, index) for folder, count in counts.items() for index in range(count)]


def _write_category(folder: Path, plan: list[tuple], record: dict, progress: tqdm) -> None:
    """Draw a category beside `folder` and move it there when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        drawn = Path(temporary) / folder.name
        write_one = partial(_write_image, drawn, folder.name, record["seed"], record["size"])
        # Closed before the folder goes: a thread still at work would make it anew.
        with closing(ordered_map(write_one, plan, available_cores())) as written:
            for _ in written:
                progress.update()
        (drawn / _RECORD).write_text(json.dumps(record, indent=2) + "\n")
        if folder.exists():
            folder.rename(Path(temporary) / "replaced")
        drawn.rename(folder)


def _write_image(
    folder: Path, category: str, seed: int, size: int, item: tuple[str, str, int]
) -> None:
    """Draw one image of the plan and write it, and its mask if it has a defect."""
    split, kind, index = item
    image, mask = draw(category, kind, index, seed, size, split)
    _write_png(folder / split / kind / f"{index:03d}.png", image[..., ::-1])
    if kind != GOOD:
        path = folder / "ground_truth" / kind / f"{index:03d}_mask.png"
        _write_png(path, mask.astype(np.uint8) * 255)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    """Write grey or BGR pixels (through bytes: `cv2.imwrite` returns False where it fails)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels, _PNG_FLAGS)[1])


def _read_record(folder: Path) -> dict | None:
    """Return the parameters that a category was drawn with, or None where there is no category."""
    if not folder.exists():
        return None
    try:
        return json.loads((folder / _RECORD).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(
            f"{folder} was not drawn by this program; move it away, or choose another root folder"
        ) from error
