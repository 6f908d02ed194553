"""The parts of a kit beside the wheels: each is written into the kit, or says why it cannot be."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from adhelpers import cli
from adhelpers.datasets import synthetic
from adhelpers.ground import UserError
from tools.notebooks import layout, student

ROOT = layout.ROOT
BUILD = ROOT / "build"
CATEGORY = "weave"  # of the detector's page
_KERAS = Path.home() / ".keras" / "models"


def notebooks(kit: Path) -> None:
    """Write the student edition, and what its links lead to; the teacher's has the solutions."""
    if student.main([str(kit / "room" / "notebooks")]) or not layout.paths():
        raise UserError("there are no notebooks")
    (kit / "teacher").mkdir(exist_ok=True)
    for path in layout.paths():
        shutil.copyfile(path, kit / "teacher" / path.name)
    shutil.copyfile(ROOT / "README.md", kit / "room" / "README.md")
    unwanted = shutil.ignore_patterns("api", "site", "__pycache__")
    shutil.copytree(ROOT / "docs", kit / "room" / "docs", ignore=unwanted)


def data(kit: Path) -> None:
    """Draw the embedded data set."""
    folder = kit / "room" / "data"
    synthetic.write(folder / "synthetic")
    shutil.copyfile(ROOT / "data" / "README.md", folder / "README.md")


def detector(kit: Path) -> None:
    """Fit a detector to a category of the data, and write its page with an image of each kind."""
    folder, images = kit / "room" / "detector", kit / "room" / "data" / "synthetic" / CATEGORY
    examples = folder / "examples"
    examples.mkdir(parents=True)
    for kind in sorted(path for path in (images / "test").iterdir() if path.is_dir()):
        shutil.copyfile(kind / "000.png", examples / f"{kind.name}.png")
    model, page = folder / "detector.tflite", folder / "page.html"
    words = ["--weights", "builtin", "--precision", "int8-weights"]
    _run(["fit", str(images / "train" / "good"), "-o", str(model), *words])
    _run(["page", str(model), "-o", str(page), "--images", str(examples)])


def weights(kit: Path, files: Sequence[Path]) -> None:
    """Copy the weights that were named, or else those that Keras has fetched once."""
    found = files or sorted(_KERAS.glob("efficientnet*_notop*.h5"))
    if not found:
        raise UserError("there are none in ~/.keras/models; name a file by --weights")
    (kit / "room" / "weights").mkdir()
    for path in found:
        shutil.copyfile(path, kit / "room" / "weights" / path.name)


def site(kit: Path) -> None:
    """Copy the site."""
    _copy_built("site", kit)


def teaching(kit: Path) -> None:
    """Copy the slides, the cheat sheet and the feedback form."""
    _copy_built("teaching", kit)


def _copy_built(name: str, kit: Path) -> None:
    if not (BUILD / name).is_dir():
        raise UserError(f"there is no build/{name}; `make {name}` builds it")
    shutil.copytree(BUILD / name, kit / name)


def _run(words: list[str]) -> None:
    if code := cli.main(words):
        raise UserError(f"`adhelpers {words[0]}` ended with {code}, as it says above")
