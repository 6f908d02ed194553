"""Images, a detector and the network, and every command's undisturbed run, made once."""

from pathlib import Path

import numpy as np
import pytest
from forked import Command
from pictures import write_category, write_image
from undisturbed import NETWORK, Undisturbed
from undisturbed import undisturbed as run_undisturbed


@pytest.fixture(scope="session")
def ground(tmp_path_factory) -> Path:
    """A folder with images and a detector, and the converted network in a cache."""
    folder = tmp_path_factory.mktemp("killed")
    write_category(folder / "data" / "plate", n_train=8)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:36, 20:36] = 255
    for i in range(3):
        write_image(folder / f"data/plate/ground_truth/spot/{i:03d}_mask.png", mask)
    (folder / "start" / "tmp").mkdir(parents=True)
    words = f"fit ../data/plate/train {NETWORK} --sums -o ../detector.tflite"
    ending = Command(words.split(), folder / "start").ending()
    assert (ending.code, ending.error) == (0, ""), ending
    for path in (folder / "start" / "tmp").iterdir():
        path.unlink()  # TensorFlow's; it removes them as an interpreter ends, which a fork does not
    return folder


@pytest.fixture(scope="session")
def undisturbed(ground):
    """Return what makes each command's `Undisturbed`, once."""
    kept: dict[str, Undisturbed] = {}

    def made(name: str) -> Undisturbed:
        if name not in kept:
            kept[name] = run_undisturbed(name, ground)
        return kept[name]

    return made
