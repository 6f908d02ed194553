"""Small pictures and folders of them, for tests to read."""

from pathlib import Path

import cv2
import numpy as np


def draw_image(seed: int, anomalous: bool = False, size: int = 64) -> np.ndarray:
    """Draw a smooth random texture; an anomalous one has a bright square."""
    rng = np.random.default_rng(seed)
    image = rng.normal(128, 40, (size, size, 3)).astype(np.float32)
    image = np.clip(cv2.GaussianBlur(image, (0, 0), 2) * 3 - 256, 0, 255).astype(np.uint8)
    if anomalous:
        image[20:36, 20:36] = 250
    return image


def write_image(path: Path, image: np.ndarray) -> Path:
    """Write an RGB image; the suffix says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(path.suffix, image[..., ::-1] if image.ndim == 3 else image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def write_category(folder: Path, n_train: int = 6, n_good: int = 3, n_bad: int = 3) -> Path:
    """Write a small category in MVTec's layout."""
    for i in range(n_train):
        write_image(folder / "train" / "good" / f"{i:03d}.png", draw_image(i))
    for i in range(n_good):
        write_image(folder / "test" / "good" / f"{i:03d}.png", draw_image(100 + i))
    for i in range(n_bad):
        write_image(folder / "test" / "spot" / f"{i:03d}.png", draw_image(200 + i, anomalous=True))
    return folder


def write_mixed_folder(folder: Path, names: tuple[str, str] = ("a.png", "more/b.JPG")) -> Path:
    """Write a normal image, an anomalous one in a folder below, and a file that is no image."""
    write_image(folder / names[0], draw_image(100))
    write_image(folder / names[1], draw_image(200, anomalous=True))
    (folder / "notes.txt").write_text("no image")
    return folder
