"""Show where in the images the score comes from, and measure it against the masks.

Without --image it explains every test image: pixel AUROC and PRO per category (pixel_summary.csv
and .json), a row per image (pixel_scores_*.csv), and the images whose defects are found best and
worst, side by side with their masks (where_*.png). With --image it explains these files alone.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import backbones, images
from ..datasets import Dataset
from ..datasets.mvtec import read_mask
from ..detector import MahalanobisDetector
from ..errors import UserError
from ..files import check_writable, written_whole
from ..segmentation import Masks, pixel_curves, read_masks
from . import augmenting
from . import options as shared

#: How the maps of the levels become one map per image, apart from each level alone.
_SUM, _POSITIVE = "sum of levels", "sum of positive parts"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    augmenting.add_augment_options(parser)
    add = parser.add_argument
    add(
        "--image",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="explain these images instead of the test split, by a detector of one --category",
    )
    add(
        "--examples",
        type=int,
        default=5,
        metavar="N",
        help="how many of the best and of the worst images to draw",
    )
    add(
        "--skip_missing_masks",
        action="store_true",
        help="leave anomalous images without a mask out, instead of stopping",
    )


def execute(options: argparse.Namespace) -> None:
    """Explain images, as the options say."""
    if options.examples < 1:
        raise UserError(f"--examples must be at least 1, not {options.examples}")
    augmenting.check(options)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    if options.image:
        return _explain_files(datasets, options)
    for dataset in datasets:  # all of them before any work
        _masks(dataset, options)
    extract = shared.make_extractor(options, engine="keras")
    rows = []
    for dataset in datasets:
        rows.append(_explain_category(dataset, extract, options))
        _write_summary(rows, options)
    print(_table(rows, extract.origin))
    print(f"written to {options.save_path}")


def _explain_files(datasets: list[Dataset], options: argparse.Namespace) -> None:
    """Draw an explanation of each file that was named."""
    if len(datasets) > 1:
        names = ", ".join(dataset.category for dataset in datasets)
        raise UserError(f"--image needs one --category, whose detector explains it, of: {names}")
    (dataset,) = datasets
    pictures = {path: _read(path) for path in options.image}
    masks = dict(zip(dataset.test.paths, dataset.test.mask_paths, strict=True))
    known = {path.resolve(): mask for path, mask in masks.items() if mask}
    explainer = _explainer(dataset, shared.make_extractor(options, engine="keras"), options)
    folder = options.save_path / f"where_{dataset.category}_{options.model_name}"
    for path, image in pictures.items():
        mask_path = known.get(path.resolve())
        mask = read_mask(mask_path, image.shape[:2]) if mask_path else None
        is_only = sum(other.stem == path.stem for other in pictures) == 1
        name = path.stem if is_only else f"{path.resolve().parent.name}_{path.stem}"
        _draw(explainer, path, image, mask, dataset.category, folder / f"{name}.png")


def _read(path: Path) -> np.ndarray:
    try:
        return images.read(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; cannot be read") from error


def _explainer(dataset: Dataset, extract, options: argparse.Namespace):
    from ..explain import Explainer

    train = shared.extract_cached(extract, dataset, "train", options.save_path, save_pkl=False)
    augmentation = augmenting.augmentation_for(dataset, extract, options)
    train = augmenting.with_copies(train, extract, dataset, augmentation)
    return Explainer(extract, MahalanobisDetector().fit(train))


def _draw(explainer, path: Path, image, mask, category: str, place: Path) -> None:
    from .. import heat_map_plots, plots

    heat = explainer(image)
    words = f"{category}: {path.name}, {_origin(explainer.origin)}"
    figure = heat_map_plots.explanation(image, heat, mask, words)
    plots.save(figure, place)
    print(f"{path}: score {heat.score:.1f}, drawn to {place}")


def _masks(dataset: Dataset, options: argparse.Namespace) -> Masks:
    """Read the masks of a category in the network's size."""
    if not len(dataset.test):
        raise UserError(
            f"category {dataset.category} has no test images; name images of yours with --image"
        )
    own_size = backbones.variant(options.model_name).input_size
    size = images.output_size(options.protocol, own_size)
    test = dataset.test
    if options.skip_bad_images:
        good = [p.index for p in images.stream(test.paths, 8) if p.error is None]
        test = test.subset(good)
    return read_masks(test, size, options.protocol, options.skip_missing_masks)


def _explain_category(dataset: Dataset, extract, options: argparse.Namespace) -> dict:
    """Explain the test images of a category, write its files, and return its summary."""
    masks = _masks(dataset, options)
    explainer = _explainer(dataset, extract, options)
    levels = explainer.of_samples(masks.samples)
    size = masks.pixels.shape[1]
    defined = bool(masks.pixels.any())
    areas = {}
    for name, maps in _variants(levels, size):
        if name == _SUM:
            total = maps
        if defined:
            curves = pixel_curves(masks.pixels, maps)
            areas[name] = {"pixel_auroc": curves.auroc, "pro": curves.pro()}
    of_image = _areas_of_images(masks, total)
    scores = total.mean(axis=(1, 2), dtype=np.float64)
    name = f"{dataset.category}_{options.model_name}"
    _write_rows(masks, scores, of_image, options.save_path / f"pixel_scores_{name}.csv")
    _draw_gallery(masks, total, scores, of_image, dataset.category, explainer, options)
    return {
        "category": dataset.category,
        "model": options.model_name,
        "weights": extract.origin["weights"],
        "protocol": options.protocol,
        "map_size": size,
        "n_images": len(masks.samples),
        "n_defective": int(masks.pixels.any(axis=(1, 2)).sum()),
        "n_without_mask": len(masks.without),
        **areas.get(_SUM, {"pixel_auroc": None, "pro": None}),
        "by_map": areas,
        "note": "" if defined else "pixel scores not defined: no defective pixels",
    }


def _variants(levels: dict[str, np.ndarray], size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield, one after the other, the ways to make a heat map, each with its maps."""
    from ..explain import summed

    yield _SUM, summed(levels, size)
    yield _POSITIVE, summed(levels, size, positive_only=True)
    for name, maps in levels.items():
        yield name, summed({name: maps}, size)


def _areas_of_images(masks: Masks, maps: np.ndarray) -> np.ndarray:
    """Return the pixel AUROC within each image, NaN where nothing (or all) is defective."""
    areas = np.full(len(maps), np.nan)
    for i, mask in enumerate(masks.pixels):
        if mask.any() and not mask.all():
            areas[i] = pixel_curves(mask[None], maps[i, None]).auroc
    return areas


def _write_rows(masks: Masks, scores: np.ndarray, areas: np.ndarray, path: Path) -> None:
    """Write a row per image."""
    with (
        written_whole(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["file", "defect_type", "score", "defective_share", "pixel_auroc"])
        for row in zip(
            masks.samples.paths,
            masks.samples.defect_types,
            scores.tolist(),
            masks.pixels.mean(axis=(1, 2)).tolist(),
            ["" if np.isnan(area) else area for area in areas.tolist()],
            strict=True,
        ):
            writer.writerow(row)


def _draw_gallery(
    masks: Masks, maps, scores, areas, category: str, explainer, options: argparse.Namespace
) -> None:
    """Draw the images whose defects are found best and worst, or without masks, those on top."""
    from .. import heat_map_plots, plots

    def examples(chosen) -> list[heat_map_plots.Example]:
        return [
            heat_map_plots.Example(
                images.fit(images.read(masks.samples.paths[i]), maps.shape[1], options.protocol),
                maps[i],
                masks.pixels[i],
                f"{masks.samples.defect_types[i]} {masks.samples.paths[i].stem}\n"
                + ("" if np.isnan(areas[i]) else f"pixel AUROC {100 * areas[i]:.0f} %, ")
                + f"score {scores[i]:.0f}",
            )
            for i in chosen
        ]

    falling = np.argsort(-areas, kind="stable")
    falling = falling[~np.isnan(areas[falling])]
    count = options.examples
    if len(falling):
        rows = {"found best": examples(falling[:count]), "found worst": examples(falling[-count:])}
    else:
        rows = {"highest scores": examples(np.argsort(-scores, kind="stable")[:count])}
    figure = heat_map_plots.gallery(
        rows, f"{category}: where the score comes from", _origin(explainer.origin)
    )
    plots.save(figure, options.save_path / f"where_{category}_{options.model_name}.png")


def _write_summary(rows: list[dict], options: argparse.Namespace) -> None:
    """Write ``pixel_summary.json``, and ``pixel_summary.csv`` with a row per category and map."""
    with written_whole(options.save_path / "pixel_summary.json") as path:
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")
    with (
        written_whole(options.save_path / "pixel_summary.csv") as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["category", "model", "weights", "protocol", "map", "pixel_auroc", "pro"])
        for row in rows:
            head = [row[key] for key in ("category", "model", "weights", "protocol")]
            for name, areas in row["by_map"].items():
                writer.writerow([*head, name, areas["pixel_auroc"], areas["pro"]])


def _table(rows: list[dict], origin: dict) -> str:
    """Return the summary as text for the screen."""
    lines = [_origin(origin), f"{'category':16}{'map':24}{'pixel AUROC':>12}{'PRO':>8}"]
    for row in rows:
        for name, areas in row["by_map"].items():
            auroc, overlap = (f"{100 * areas[key]:.1f} %" for key in ("pixel_auroc", "pro"))
            lines.append(f"{row['category']:16}{name:24}{auroc:>12}{overlap:>8}")
        notes = [row["note"]] if row["note"] else []
        if row["n_without_mask"]:
            notes.append(f"{row['n_without_mask']} anomalous images without a mask were left out")
        lines += [f"{row['category']}: {note}" for note in notes]
    return "\n".join(lines)


def _origin(origin: dict) -> str:
    return f"{origin['backbone']}, weights: {origin['weights']}, {origin['protocol']}"
