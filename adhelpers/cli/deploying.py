"""From normal images to a detector in one file: what ``fit`` and ``export`` have in common."""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from .. import edge
from ..datasets import Samples
from ..detector import DETECTORS, check_refittable, kind_of, summed
from ..export import Kept, build, check, write_reference, write_sums
from ..features import FeatureMaps, FeatureSet
from ..ground import UserError, check_writable_file, timestamp, write_bytes
from ..images import read, stream
from . import augmenting, detecting, values
from . import options as shared

_CHECKED_IMAGES = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a detector is fitted and in which precision it runs."""
    shared.add_network_options(parser)
    shared.add_precision_option(parser, "float32", several=False)
    shared.add_calibration_option(parser)
    detecting.add_kind_option(
        parser, "local", " (the default finds small defects best on most images: docs/where.md)"
    )
    detecting.add_detector_options(parser)
    parser.add_argument(
        "--reference",
        type=values.whole_number(1, 1000),
        default=argparse.SUPPRESS,
        metavar="N",
        help="write so many of the images with their scores beside the detector "
        "(.reference.npz), for adhelpers verify and edge.py --verify on other machines",
    )
    parser.add_argument(
        "--sums",
        action="store_true",
        help="keep the sums over the images beside the detector (.sums.npz), for adhelpers refit",
    )
    augmenting.add_augment_options(parser)


def check_options(options: argparse.Namespace, path: Path) -> detecting.AnyDetector:
    """Find what cannot be done before any work, and return the unfitted detector."""
    augmenting.check(options)
    check_writable_file(path, "a TFLite model")
    detector = detecting.make_detector(options)
    if options.sums:
        check_refittable(detector)
        for name in ("augment", "fitted"):
            if vars(options).get(name):
                raise UserError(f"refit has no --{name}; leave it out, or --sums")
    return detector


def deploy(
    samples: Samples,
    name: str,
    path: Path,
    options: argparse.Namespace,
    fitted: detecting.AnyDetector | None = None,
) -> None:
    """Fit to normal images, and write and check the model of network and detector.

    Parameters
    ----------
    samples : Samples
        Normal images.
    name : str
        What is detected; it stands in the record.
    path : Path
    options : argparse.Namespace
    fitted : detector, optional
        One that was fitted before, which the images then only check.
    """
    extract = shared.make_extractor(
        options,
        engine="tflite",
        precision=options.precision,
        calibration=samples,
        n_calibration=options.n_calibration,
    ).for_images(samples)
    detector, train = fitted, None
    if detector is None:
        detector, train = detecting.fit(extract, samples, name, options)
    first = read(samples.paths[0], extract.origin.bits)
    facts = {"category": name, "image_shape": first.shape[:2]}
    model = write(extract, detector, images_to_check(samples.paths, extract), facts, path)
    if count := vars(options).get("reference"):
        place = path.with_suffix(".reference.npz")
        write_reference(place, model, samples.paths[:count])
        print(f"{place}: {min(count, len(samples))} images and their scores")
    if options.sums:
        kept = summed(detector, train)
        digests = (train.features if isinstance(train, FeatureMaps) else train).digests
        keep_sums(path, Kept(kept, extract.model, frozenset(digests)), model)


def keep_sums(path: Path, kept: Kept, model: bytes) -> None:
    """Write what a detector's file can be refitted from beside it, and say so."""
    place = path.with_suffix(".sums.npz")
    write_sums(place, kept, model)
    print(f"{place}: the sums over {kept.detector.n_train_} images, for adhelpers refit")


def write(
    extract, detector: detecting.AnyDetector, images: np.ndarray, facts: dict, path: Path
) -> bytes:
    """Write and check the model of network and detector, say what it is, and return it.

    Parameters
    ----------
    extract : Extractor
    detector : detector
        Fitted.
    images : ndarray of uint8, shape (N, S, S, 3)
        Normal ones to check the model by, and by their negatives, which are surely anomalous.
    facts : dict
        Of the record: the category, the shape of the training images, and what else is known.
    path : Path
    """
    model = build(extract.model, detector, {"date": timestamp(), **facts})
    images = np.concatenate([images, 255 - images])
    error = check(model, images, detector.anomaly_score(_scored_input(extract, images, detector)))
    write_bytes(path, model)
    network = f"{extract.origin.backbone} {extract.origin.precision}"
    threshold = f"threshold {detector.threshold_:.3f}" if detector.has_threshold else "no threshold"
    print(
        f"{path}: {facts['category']}, {network}, {len(model) / 1e6:.1f} MB\n"
        f"  fitted on {detector.n_train_} images: {detector.words}\n"
        f"  {threshold}; checked on {len(images)} images: all scores "
        f"differ, and agree with the Python detector's within {error:.1e} of their size"
    )
    return model


def say_how_to_use(path: Path) -> None:
    """Print how the file is used, here and on a device."""
    print(
        f"here: adhelpers score {path} IMAGES; on a device, beside a copy of {edge.__file__}: "
        f"python edge.py {path.name} IMAGES"
    )


def _scored_input(
    extract, images: np.ndarray, detector: detecting.AnyDetector
) -> FeatureSet | FeatureMaps:
    """Return what a fitted detector scores images in memory by."""
    if DETECTORS[kind_of(detector)].needs_maps:
        return extract.maps_of_pixels(images, detector.map_levels)
    return extract.of_pixels(images)


def images_to_check(paths: list[Path], extract) -> np.ndarray:
    """Return the first training images that can be read, each once, (N, S, S, 3)."""
    origin = extract.origin
    pictures = stream(paths, origin.input_size, origin.protocol, bits=origin.bits)
    readable = (picture.pixels for picture in pictures if picture.error is None)
    different = {pixels.tobytes(): pixels for pixels in islice(readable, _CHECKED_IMAGES)}
    return np.stack(list(different.values()))
