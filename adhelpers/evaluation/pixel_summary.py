"""What an explanation of test images found: a row per category and map, as files and as text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..features import Origin
from ..ground import write_rows
from ..images import summed_on_finest
from .explain import summed
from .pixel_scores import Truth, pixel_curves
from .records import joined_rows, read_rows, write_rows_as_json
from .summary import aligned

#: How the maps of the levels become one map per image, apart from each level alone.
SUM, POSITIVE = "sum of levels", "sum of positive parts"


@dataclass(frozen=True)
class PixelResult:
    """One category's heat maps against its masks.

    Areas are fractions from 0 to 1, or None where no pixel is defective: those of the sum over
    the levels, and by the map's name. The hits are the detected anomalies (of the masks that are
    not empty, the images above the threshold) whose map, on the grid of the finest level, is
    largest in a cell that holds defective pixels.
    """

    category: str
    model: str
    weights: str
    protocol: str
    detector: str
    map_size: int
    n_images: int
    n_defective: int
    n_without_mask: int
    n_skipped: int
    pixel_auroc: float | None
    pro: float | None
    by_map: dict[str, dict[str, float]]
    n_detected: int = 0
    n_hits: int = 0

    @property
    def hit_rate(self) -> float | None:
        """The share of hits among the detected anomalies, 0 to 1; None where there are none."""
        return self.n_hits / self.n_detected if self.n_detected else None

    @property
    def note(self) -> str:
        """The hit rate, and what was left out, or is not defined."""
        notes = []
        if self.n_detected:
            notes.append(
                f"the map's largest cell touches the mask in {self.n_hits} of {self.n_detected} "
                f"detected anomalies (hit rate {self.hit_rate:.1%})".replace("%", " %")
            )
        if not self.by_map:
            notes.append("pixel scores not defined: no defective pixels")
        if self.n_without_mask:
            notes.append(f"{self.n_without_mask} anomalous images without a mask were left out")
        if self.n_skipped:
            notes.append(f"{self.n_skipped} unreadable images were left out")
        return "; ".join(notes)


def evaluate_pixels(
    category: str,
    truth: Truth,
    levels: dict[str, np.ndarray],
    origin: Origin,
    detector: str,
    detected: np.ndarray | None = None,
) -> PixelResult:
    """Compare the heat maps of test images with their masks: of all levels, and of each.

    Parameters
    ----------
    category : str
    truth : Truth
    levels : dict of str to ndarray, shape (N, h_l, w_l)
        What `adhelpers.explain.Explainer.explained` gives for the images of `truth`.
    origin : Origin
    detector : str
        The detector's choices, in words.
    detected : ndarray of bool, shape (N,), optional
        The images whose score is above the threshold, to count hits among.
    """
    size = truth.masks.shape[1]
    by_map, found = {}, np.zeros(len(truth.masks), dtype=bool)
    if detected is not None:
        found = detected & truth.masks.any(axis=(1, 2))
    if truth.masks.any():
        for name, maps in _variants(levels, size):
            curves = pixel_curves(truth.masks, maps)
            by_map[name] = {"pixel_auroc": curves.auroc, "pro": curves.pro()}
    return PixelResult(
        category=category,
        model=origin.backbone,
        weights=origin.weights,
        protocol=origin.protocol,
        detector=detector,
        map_size=size,
        n_images=len(truth.samples),
        n_defective=int(truth.masks.any(axis=(1, 2)).sum()),
        n_without_mask=len(truth.without_mask),
        n_skipped=len(truth.unreadable),
        **by_map.get(SUM, {"pixel_auroc": None, "pro": None}),
        by_map=by_map,
        n_detected=int(found.sum()),
        n_hits=int(hits(truth.masks[found], summed_on_finest(levels)[found]).sum()),
    )


def hits(masks: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return for each image whether the cell of its map's largest value holds defective pixels.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, S, S)
    maps : ndarray of float, shape (N, h, w)
        A map of fewer cells than pixels cannot tell where in a cell the defect is; one of the
        masks' size has cells of one pixel.

    Returns
    -------
    hits : ndarray of bool, shape (N,)

    Examples
    --------
    >>> hits(np.array([[[True, False]], [[False, True]]]), np.array([[[2.0, 1.0]], [[2.0, 1.0]]]))
    array([ True, False])
    """
    found = []
    for mask, one in zip(masks, maps, strict=True):
        shares = cv2.resize(mask.astype(np.float32), one.shape[::-1], interpolation=cv2.INTER_AREA)
        found.append(shares.flat[one.argmax()] > 0)
    return np.array(found, dtype=bool)


def _variants(levels: dict[str, np.ndarray], size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield, one after the other, the ways to make a heat map, each with its maps."""
    yield SUM, summed(levels, size)
    if any(maps.min() < 0 for maps in levels.values()):
        yield POSITIVE, summed(levels, size, positive_only=True)
    for name, maps in levels.items():
        yield name, summed({name: maps}, size)


def areas_of_images(masks: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return the pixel AUROC within each image, NaN where nothing (or all) is defective.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, S, S)
    maps : ndarray of float, shape (N, S, S)

    Returns
    -------
    areas : ndarray of float64, shape (N,)
    """
    areas = np.full(len(maps), np.nan)
    for i, mask in enumerate(masks):
        if mask.any() and not mask.all():
            areas[i] = pixel_curves(mask[None], maps[i, None]).auroc
    return areas


def write_pixel_rows(truth: Truth, scores: np.ndarray, areas: np.ndarray, path: str | Path) -> None:
    """Write a CSV with a row per image."""
    columns = [
        truth.samples.paths,
        truth.samples.defect_types,
        scores.tolist(),
        truth.masks.mean(axis=(1, 2)).tolist(),
        [None if np.isnan(area) else area for area in areas.tolist()],
    ]
    head = ["file", "defect_type", "score", "defective_share", "pixel_auroc"]
    write_rows(path, head, zip(*columns, strict=True))


def read_pixel_summary(folder: str | Path) -> list[PixelResult]:
    """Return the rows that earlier calls left in a folder, or raise a UserError."""
    return read_rows(PixelResult, Path(folder) / "pixel_summary.json")


def write_pixel_summary(results: Sequence[PixelResult], folder: str | Path) -> None:
    """Write ``pixel_summary.json``, and ``pixel_summary.csv`` with a row per category and map.

    Rows of earlier calls stay, but for those of the same category and model; see `write_summary`.
    """
    results = joined_rows(
        read_pixel_summary(folder), results, lambda row: (row.category, row.model)
    )
    write_rows_as_json(results, Path(folder) / "pixel_summary.json", more=("hit_rate", "note"))
    rows = [
        [r.category, r.model, r.weights, r.protocol, r.detector, name, *areas.values()]
        for r in results
        for name, areas in r.by_map.items()
    ]
    head = ["category", "model", "weights", "protocol", "detector", "map", "pixel_auroc", "pro"]
    write_rows(Path(folder) / "pixel_summary.csv", head, rows)


def pixel_table(results: Sequence[PixelResult], origin: Origin) -> str:
    """Return the summary as text for the screen."""
    rows = [["category", "map", "pixel AUROC", "PRO"]]
    for r in results:
        for name, areas in r.by_map.items():
            rows.append([r.category, name, *(f"{100 * area:.1f} %" for area in areas.values())])
    notes = [f"{result.category}: {result.note}" for result in results if result.note]
    return "\n".join([origin.network_words, results[0].detector, aligned(rows), *notes])
