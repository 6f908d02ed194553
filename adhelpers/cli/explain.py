"""Show where in the images the score comes from, and measure it against the masks.

Without --image it explains every test image: pixel AUROC and PRO per category (pixel_summary.csv
and .json), a row per image (pixel_scores_*.csv), and the images whose defects are found best and
worst, side by side with their masks (where_*.png). With --image it explains these files alone.
"""

import argparse
from pathlib import Path

import numpy as np

from .. import images
from ..datasets import Dataset, read_mask
from ..detector import MahalanobisDetector
from ..evaluation import (
    Explainer,
    PixelResult,
    Truth,
    areas_of_images,
    check_combination,
    evaluate_pixels,
    pixel_table,
    read_truth,
    summed,
    with_masks,
    write_pixel_rows,
    write_pixel_summary,
)
from ..ground import UserError, check_writable
from . import augmenting
from . import options as shared


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    shared.add_detector_options(parser)
    shared.add_detector_file_option(parser)
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
    unfitted = shared.make_detector(options)
    check_combination(unfitted)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    fitted = shared.read_detector(options, datasets)
    if options.image:
        return _explain_files(datasets, unfitted, fitted, options)
    for dataset in datasets:  # before any work
        if not len(dataset.test):
            raise UserError(
                f"category {dataset.category} has no test images; name images of yours with --image"
            )
        with_masks(dataset.test, options.skip_missing_masks)
    extract = shared.make_extractor(options, engine="keras")
    shared.check_levels(unfitted, extract)
    results = []
    for dataset in datasets:
        truth = _truth(dataset, extract.origin.input_size, options)
        explainer = _explainer(dataset, extract, unfitted, fitted, options)
        results.append(_explain_category(dataset.category, truth, explainer, options))
        write_pixel_summary(results, options.save_path)
    print(pixel_table(results, extract.origin))
    print(f"written to {options.save_path}")


def _explain_files(
    datasets: list[Dataset],
    unfitted: MahalanobisDetector,
    fitted: MahalanobisDetector | None,
    options: argparse.Namespace,
) -> None:
    """Draw an explanation of each file that was named."""
    if len(datasets) > 1:
        names = ", ".join(dataset.category for dataset in datasets)
        raise UserError(f"--image needs one --category, whose detector explains it, of: {names}")
    (dataset,) = datasets
    pictures = {path: images.read(path) for path in options.image}
    masks = dict(zip(dataset.test.paths, dataset.test.mask_paths, strict=True))
    known = {path.resolve(): mask for path, mask in masks.items() if mask}
    extract = shared.make_extractor(options, engine="keras")
    shared.check_levels(unfitted, extract)
    explainer = _explainer(dataset, extract, unfitted, fitted, options)
    folder = options.save_path / f"where_{dataset.category}_{options.model_name}"
    for path, image in pictures.items():
        mask_path = known.get(path.resolve())
        mask = read_mask(mask_path, image.shape[:2]) if mask_path else None
        is_only = sum(other.stem == path.stem for other in pictures) == 1
        name = path.stem if is_only else f"{path.resolve().parent.name}_{path.stem}"
        _draw(explainer, path, image, mask, dataset.category, folder / f"{name}.png")


def _explainer(
    dataset: Dataset,
    extract,
    unfitted: MahalanobisDetector,
    fitted: MahalanobisDetector | None,
    options: argparse.Namespace,
) -> Explainer:
    """Return what explains a category's images: by a detector that is fitted now, or was before."""
    if fitted is None:
        train = shared.extract_cached(extract, dataset, "train", options.save_path, save_pkl=False)
        augmentation = augmenting.augmentation_for(
            dataset.train, dataset.category, extract, unfitted, options
        )
        train = augmenting.with_copies(train, extract, dataset.train, augmentation)
        fitted = shared.make_detector(options).fit(train)
    return Explainer(extract, fitted)


def _draw(explainer: Explainer, path: Path, image, mask, category: str, place: Path) -> None:
    from ..evaluation import heat_map_plots, plots

    heat = explainer(image)
    words = f"{category}: {path.name}, {_subtitle(explainer)}"
    figure = heat_map_plots.explanation(image, heat, mask, words)
    plots.save(figure, place)
    print(f"{path}: score {heat.score:.1f}, drawn to {place}")


def _truth(dataset: Dataset, size: int, options: argparse.Namespace) -> Truth:
    """Read the test images and masks of a category."""
    return read_truth(
        dataset.test,
        size,
        options.protocol,
        options.skip_missing_masks,
        options.skip_bad_images,
    )


def _explain_category(
    category: str, truth: Truth, explainer: Explainer, options: argparse.Namespace
) -> PixelResult:
    """Explain the test images of a category, and write its files."""
    levels = explainer.of_pixels(truth.images)
    result = evaluate_pixels(category, truth, levels, explainer.origin, explainer.detector.words)
    maps, scores = summed(levels, result.map_size), explainer.scores(levels)
    areas = areas_of_images(truth.masks, maps)
    name = f"{category}_{options.model_name}"
    write_pixel_rows(truth, scores, areas, options.save_path / f"pixel_scores_{name}.csv")
    place = options.save_path / f"where_{name}.png"
    title = f"{category}: where the score comes from"
    _draw_gallery(truth, maps, scores, areas, title, _subtitle(explainer), options.examples, place)
    return result


def _draw_gallery(
    truth: Truth,
    maps: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    title: str,
    subtitle: str,
    count: int,
    place: Path,
) -> None:
    """Draw the images whose defects are found best and worst, or without masks, those on top."""
    from ..evaluation import heat_map_plots, plots

    def examples(chosen) -> list[heat_map_plots.Example]:
        return [
            heat_map_plots.Example(
                truth.images[i],
                maps[i],
                truth.masks[i],
                f"{truth.samples.defect_types[i]} {truth.samples.paths[i].stem}\n"
                + ("" if np.isnan(areas[i]) else f"pixel AUROC {100 * areas[i]:.0f} %, ")
                + f"score {scores[i]:.0f}",
            )
            for i in chosen
        ]

    falling = np.argsort(-areas, kind="stable")
    falling = falling[~np.isnan(areas[falling])]
    if len(falling):
        rows = {"found best": examples(falling[:count]), "found worst": examples(falling[-count:])}
    else:
        rows = {"highest scores": examples(np.argsort(-scores, kind="stable")[:count])}
    plots.save(heat_map_plots.gallery(rows, title, subtitle), place)


def _subtitle(explainer: Explainer) -> str:
    return f"{explainer.origin.network_words}\n{explainer.detector.words}"
