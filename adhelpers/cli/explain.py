"""Show where a detector finds images abnormal, and measure it against the masks.

With --detector local, or both, a picture shows the distance at each position; with pooled, the
split of the score over the positions. Without --image it explains every test image: pixel AUROC,
PRO and hit rate per category (pixel_summary.csv and .json), a row per image (pixel_scores_*.csv),
and the images whose defects are found best and worst, side by side with their masks (where_*.png).
With --image it explains these files alone. Colours are in units of what normal images reach: those
of the test split, or training images, which are nearer to normal, where it has none.
"""

import argparse
from pathlib import Path

import numpy as np

from .. import images
from ..datasets import Dataset, Samples, read_mask
from ..detector import TOO_FEW
from ..evaluation import (
    Explainer,
    LocalExplainer,
    PixelResult,
    Truth,
    areas_of_images,
    check_combination,
    evaluate_pixels,
    make_explainer,
    pixel_table,
    read_pixel_summary,
    read_truth,
    summed,
    with_masks,
    write_pixel_rows,
    write_pixel_summary,
)
from ..features import Origin
from ..ground import UserError, check_writable
from . import augmenting, detecting, values
from . import options as shared
from .names import file_name, unlike

AnyExplainer = Explainer | LocalExplainer

_ENOUGH = 32  # normal images, to know what they reach


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    shared.add_network_options(parser)
    shared.add_data_options(parser)
    detecting.add_kind_option(parser, "local")
    detecting.add_detector_options(parser)
    detecting.add_fitted_option(parser)
    augmenting.add_augment_options(parser)
    add = parser.add_argument
    add(
        "--image",
        nargs="+",
        type=values.path,
        metavar="FILE",
        help="explain these images instead of the test split, by a detector of one --category",
    )
    add(
        "--examples",
        type=values.whole_number(1, 50),
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
    augmenting.check(options)
    unfitted = detecting.make_detector(options)
    if options.detector == "pooled":
        check_combination(unfitted)
    check_writable(options.save_path)
    datasets = shared.load_datasets(options)
    fitted = detecting.read_fitted(options, datasets)
    if options.image:
        return _explain_files(datasets, unfitted, fitted, options)
    read_pixel_summary(options.save_path)
    for dataset in datasets:  # before any work
        if not len(dataset.test):
            raise UserError(
                f"category {dataset.category} has no test images; name images of yours with --image"
            )
        with_masks(dataset.test, options.skip_missing_masks)
    network = _extractor(options, fitted)
    detecting.check_levels(fitted or unfitted, network)
    results = []
    for dataset in datasets:
        extract = network.for_images(dataset.train)
        truth = _truth(dataset.test, extract.origin, options)
        explainer = _explainer(dataset, extract, fitted, options)
        results.append(_explain_category(dataset, truth, explainer, options))
        write_pixel_summary(results, options.save_path)
    print(pixel_table(results, network.origin))
    print(f"written to {options.save_path}")


def _explain_files(
    datasets: list[Dataset],
    unfitted: detecting.AnyDetector,
    fitted: detecting.AnyDetector | None,
    options: argparse.Namespace,
) -> None:
    """Draw an explanation of each file that was named."""
    if len(datasets) > 1:
        names = ", ".join(dataset.category for dataset in datasets)
        raise UserError(f"--image needs one --category, whose detector explains it, of: {names}")
    (dataset,) = datasets
    masks = dict(zip(dataset.test.paths, dataset.test.mask_paths, strict=True))
    known = {path.resolve(): mask for path, mask in masks.items() if mask}
    extract = _extractor(options, fitted).for_images(dataset.train)
    pictures = {path: images.read(path, extract.origin.bits) for path in options.image}
    detecting.check_levels(fitted or unfitted, extract)
    explainer = _explainer(dataset, extract, fitted, options)
    reaches, which = _reaches(explainer, dataset, options)
    folder = options.save_path / file_name("where", dataset.category, options.model_name)
    names = unlike(path.stem for path in pictures)
    for (path, image), name in zip(pictures.items(), names, strict=True):
        mask_path = known.get(path.resolve())
        mask = read_mask(mask_path, image.shape[:2]) if mask_path else None
        title = f"{dataset.category}: {path.name}, {_subtitle(explainer, which)}"
        _draw(explainer, path, image, mask, title, reaches, folder / f"{name}.png")


def _explainer(
    dataset: Dataset,
    extract,
    fitted: detecting.AnyDetector | None,
    options: argparse.Namespace,
) -> AnyExplainer:
    """Return what explains a category's images: by a detector that is fitted now, or was before."""
    if fitted is None:
        features = None
        if options.detector == "pooled":
            place = options.save_path
            features = shared.extract_cached(extract, dataset, "train", place, save_pkl=False)
        fitted, _ = detecting.fit(extract, dataset.train, dataset.category, options, features)
    elif not fitted.has_threshold:
        print(f"{dataset.category}: {TOO_FEW}", flush=True)
    return make_explainer(extract, fitted)


def _extractor(options: argparse.Namespace, fitted: detecting.AnyDetector | None):
    """Return the network, run as that was which the detector was fitted with."""
    origin = None if fitted is None else fitted.origin_
    more = {"engine": origin.engine, "bits": origin.bits} if origin else {}
    return shared.make_extractor(options, **more)


def _reaches(
    explainer: AnyExplainer, dataset: Dataset, options: argparse.Namespace
) -> tuple[dict[str, float], str]:
    """Return what maps of normal images reach, and which images these are, in words."""
    from ..evaluation import heat_map_plots

    good = dataset.test.subset(np.flatnonzero(dataset.test.labels == 0))
    some, which = (good, "normal test images") if len(good) else (dataset.train, "training images")
    chosen = np.unique(np.linspace(0, len(some) - 1, _ENOUGH).astype(int))
    truth = _truth(some.subset(chosen), explainer.origin, options)
    levels, _ = explainer.explained(truth.images)
    reaches = heat_map_plots.reaches(levels, explainer.origin.input_size)
    return reaches, f"{len(truth.images)} {which}"


def _draw(
    explainer: AnyExplainer,
    path: Path,
    image: np.ndarray,
    mask: np.ndarray | None,
    title: str,
    reaches: dict[str, float],
    place: Path,
) -> None:
    from ..evaluation import heat_map_plots, plots

    heat = explainer(image)
    figure = heat_map_plots.explanation(image, heat, mask, title, reaches)
    plots.save(figure, place)
    print(f"{path}: score {heat.score:.1f}, drawn to {place}")


def _truth(samples: Samples, origin: Origin, options: argparse.Namespace) -> Truth:
    """Read images and their masks."""
    return read_truth(
        samples,
        origin.input_size,
        origin.protocol,
        options.skip_missing_masks,
        options.skip_bad_images,
        origin.bits,
    )


def _explain_category(
    dataset: Dataset, truth: Truth, explainer: AnyExplainer, options: argparse.Namespace
) -> PixelResult:
    """Explain the test images of a category, and write its files."""
    category = dataset.category
    levels, scores = explainer.explained(truth.images)
    detector = explainer.detector
    detected = scores > detector.threshold_ if detector.has_threshold else None
    result = evaluate_pixels(category, truth, levels, explainer.origin, detector.words, detected)
    maps = summed(levels, result.map_size)
    areas = areas_of_images(truth.masks, maps)
    name = file_name("pixel_scores", category, options.model_name)
    write_pixel_rows(truth, scores, areas, options.save_path / f"{name}.csv")
    place = options.save_path / f"{file_name('where', category, options.model_name)}.png"
    unit, which = _unit(levels, truth, explainer, dataset, options)
    titles = f"{category}: {explainer.shows}", _subtitle(explainer, which)
    _draw_gallery(truth, maps, scores, areas, titles, unit, options.examples, place)
    return result


def _unit(
    levels: dict[str, np.ndarray],
    truth: Truth,
    explainer: AnyExplainer,
    dataset: Dataset,
    options: argparse.Namespace,
) -> tuple[float, str]:
    """Return what the maps of normal images reach, of those explained already if there are any."""
    from ..evaluation import heat_map_plots

    good = truth.samples.labels == 0
    if good.any():
        maps = {name: x[good] for name, x in levels.items()}
        reaches = heat_map_plots.reaches(maps, explainer.origin.input_size)
        which = f"{good.sum()} normal test images"
    else:
        reaches, which = _reaches(explainer, dataset, options)
    return reaches["all levels"], which


def _draw_gallery(
    truth: Truth,
    maps: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    titles: tuple[str, str],
    unit: float,
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
    figure = heat_map_plots.gallery(rows, *titles, dict.fromkeys(rows, unit))
    plots.save(figure, place)


def _subtitle(explainer: AnyExplainer, which: str) -> str:
    words = f"{explainer.origin.network_words}\n{explainer.detector.words}"
    return f"{words}\nfull colour: twice what {which} reach"
