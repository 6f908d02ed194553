"""Features of training images and of their changed copies; test images are never changed."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..datasets import GOOD, Samples
from ..ground import UserError, available_cores, ordered_map
from ..images import Augmentation, Picture, stream
from .feature_set import FeatureSet, joined


def copies_in_words(train: FeatureSet, test: FeatureSet | None = None) -> list[str]:
    """Return what there is to say of equal files: of those to fit on, and of those in both splits.

    Parameters
    ----------
    train, test : FeatureSet

    Returns
    -------
    sentences : list of str
        Empty where all files differ.
    """
    known, sentences = [digest for digest in train.digests if digest], []
    if equal := len(known) - len(set(known)):
        sentences.append(
            f"{equal} of {len(known)} training images are copies of others under other names; "
            "copies are held out together"
        )
    tested = [] if test is None else zip(test.digests, test.paths, strict=True)
    if in_both := [path for digest, path in tested if digest in {*known}]:
        sentences.append(
            f"warning: {len(in_both)} of {len(test)} test images are training images as well, "
            f"first {in_both[0]}; what is found for them says nothing of new images"
        )
    return sentences


def extract_with_copies(
    extract, samples: Samples, augmentation: Augmentation, cache: str | Path | None = None
) -> FeatureSet:
    """Extract the features of training images and of their changed copies.

    Copies are made a batch at a time and not kept; what grows is the features alone.

    Parameters
    ----------
    extract : Extractor
    samples : Samples
        Training images.
    augmentation : Augmentation
    cache : path, optional
        As for the extractor, for the images themselves. The features of copies are not cached.

    Returns
    -------
    features : FeatureSet
        The images, in order, and then their copies. A copy has the path of its image, and an empty
        digest. Where images are held out, all rows of one path must be held out together.

    Raises
    ------
    UserError
        If an image cannot be read (unless the extractor skips such), or is no normal image.
    """
    if np.any(samples.labels):
        raise UserError(
            f"{np.sum(samples.labels)} of {len(samples)} images are anomalous; augmentation is "
            "for the normal images that a detector is fitted on"
        )
    return joined([extract(samples, cache), extract_copies(extract, samples, augmentation)])


def extract_copies(extract, samples: Samples, augmentation: Augmentation) -> FeatureSet:
    """Extract the features of the changed copies alone, image by image.

    Parameters and errors are those of `extract_with_copies`.
    """

    def variants(picture: Picture) -> Iterator[tuple[str, np.ndarray]]:
        return ((GOOD, pixels) for pixels in augmentation.of_picture(picture))

    return extract_variants(extract, samples, variants, augmentation.copies, "copies")


def extract_variants(
    extract,
    samples: Samples,
    variants: Callable[[Picture], Iterable[tuple[str, np.ndarray]]],
    per_image: int,
    description: str,
) -> FeatureSet:
    """Extract the features of pictures that are made from images, a batch at a time.

    Parameters
    ----------
    extract : Extractor
    samples : Samples
    variants : callable
        Takes a `Picture` and returns pairs of a defect type and pixels, uint8, (S, S, 3).
    per_image : int
        How many pairs there are for each image.
    description : str
        What the progress bar says.

    Returns
    -------
    features : FeatureSet
        In the order of the images; each row has the path of its image, and an empty digest.

    Raises
    ------
    UserError
        If an image cannot be read (unless the extractor skips such), or no image is left.
    """
    extract = extract.for_images(samples)
    size, protocol, bits = extract.origin.input_size, extract.origin.protocol, extract.origin.bits

    def readable() -> Iterator[Picture]:
        pictures = stream(samples.paths, size, protocol, bits=bits)
        for picture in tqdm(pictures, description, len(samples), unit="image", disable=None):
            if picture.error is None:
                yield picture
            elif not extract.skip_bad_images:
                raise picture.error

    def compute(batch: list[Picture]) -> tuple[list[tuple[str, str]], dict[str, np.ndarray]]:
        made = [(str(samples.paths[p.index]), *variant) for p in batch for variant in variants(p)]
        features = extract.pooled(np.stack([pixels for _, _, pixels in made]))
        return [(path, kind) for path, kind, _ in made], features

    pictures, at_once = readable(), max(1, extract.batch_size // per_image)
    batches = iter(lambda: list(islice(pictures, at_once)), [])
    parts = list(ordered_map(compute, batches, available_cores()))
    if not parts:
        raise UserError("there are no readable images to make copies of; give at least one")
    rows = [row for part, _ in parts for row in part]
    return FeatureSet(
        {name: np.concatenate([levels[name] for _, levels in parts]) for name in extract.levels},
        np.array([kind != GOOD for _, kind in rows], dtype=int),
        [kind for _, kind in rows],
        [path for path, _ in rows],
        [""] * len(rows),
        extract.origin,
    )
