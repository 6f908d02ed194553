"""A case study: what was measured on real images, for readers who have no copy of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import images
from ..datasets import Dataset, Samples
from ..features import Extractor
from ..ground import written_whole
from . import images_of

RECORD = Path(__file__).with_name("screw.json")
_DIGITS = 6

Step = Callable[[Dataset, Extractor], dict]


@dataclass
class Case:
    """The steps of an investigation: measured where the images are, or else read from a record.

    Parameters
    ----------
    about : str
        Category, network and weights.
    steps : dict of str to (dict of str to number or list)
        What each step found, by its name.
    dataset : Dataset, optional
    extract : Extractor, optional
        None, like the data set, where there are no images.
    """

    about: str
    steps: dict[str, dict]
    dataset: Dataset | None = None
    extract: Extractor | None = None

    @property
    def measured(self) -> bool:
        """bool: whether there are images to measure."""
        return self.dataset is not None

    def step(self, measure: Step) -> dict[str, np.ndarray]:
        """Take a step: a decorator, which puts what a function finds in the function's place.

        Parameters
        ----------
        measure : callable
            Called with data set and extractor where there are images; it returns numbers and
            arrays by name. Without images the record's step of the same name is taken.
        """
        name = measure.__name__
        if self.measured:
            found = measure(self.dataset, self.extract)
            self.steps[name] = {key: _rounded(value) for key, value in found.items()}
        return {key: np.array(value) for key, value in self.steps[name].items()}

    def write(self, path: str | Path = RECORD) -> None:
        """Write the steps as a record, JSON."""
        with written_whole(path) as temporary:
            record = {"about": self.about, "steps": self.steps}
            Path(temporary).write_text(f"{json.dumps(record)}\n", "utf-8")


def opened(data: str | Path | None, category: str, model: str, weights: str) -> Case:
    """Open a case.

    Parameters
    ----------
    data : str, Path or None
        As for `adhelpers.teaching.images_of`; None for the record, whatever the rest says.
    category, model, weights : str
        As everywhere.

    Raises
    ------
    UserError
        If there is no such folder, category, network or file.
    """
    if data is None:
        record = json.loads(RECORD.read_text("utf-8"))
        return Case(record["about"], record["steps"])
    extract = Extractor(model, weights=weights)
    about = f"{category}, {extract.origin.network_words}"
    return Case(about, {}, images_of(data, category), extract)


def relit(samples: Samples, size: int, brightness: float) -> np.ndarray:
    """Read images, and move the grey values of each until their mean is `brightness`.

    Parameters
    ----------
    samples : Samples
    size : int
        The network's side S, in pixels.
    brightness : float
        0-255. Values that would leave this range stay at its end.

    Returns
    -------
    pixels : ndarray of uint8, shape (N, S, S, 3)
    """
    pixels = np.stack([images.to_square(images.read(path), size) for path in samples.paths])
    moved = pixels + (brightness - pixels.mean(axis=(1, 2, 3), keepdims=True))
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def _rounded(value) -> float | list:
    """Return a number, or an array as a list, to the digits that a record keeps."""
    if np.asarray(value).dtype.kind != "f":
        return np.asarray(value).tolist()
    shortened = [float(f"{x:.{_DIGITS}g}") for x in np.ravel(value)]
    return np.reshape(shortened, np.shape(value)).tolist()
