"""Random changes of images: of their light, their sharpness and their place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..ground import UserError, check_choice
from .reading import Picture

#: What a change amounts to when it is asked for by its name alone.
USUAL = {
    "gain": 0.2,
    "offset": 15.0,
    "blur": 1.0,
    "noise": 5.0,
    "flips": True,
    "quarter_turns": True,
    "rotation": 180.0,
    "shift": 0.03,
}
_LIMITS = {
    "gain": 1.0,
    "offset": 255.0,
    "blur": 20.0,
    "noise": 128.0,
    "rotation": 180.0,
    "shift": 0.5,
}


@dataclass(frozen=True)
class Augmentation:
    """Random changes of an image, and how many changed copies to make of each.

    Each amount is the largest that occurs; what a copy gets is drawn evenly below it. All that is
    not given stays as it is.

    Parameters
    ----------
    gain : float
        Brightness is multiplied by 1 - gain to 1 + gain; at most 1.
    offset : float
        Grey values, 0-255, are moved by -offset to +offset.
    blur : float
        Standard deviation of a Gaussian blur, in pixels of the network's image.
    noise : float
        Standard deviation of Gaussian noise per pixel and channel, in grey values.
    flips : bool
        Mirror left-right and upside down, each with probability 1/2.
    quarter_turns : bool
        Turn by 0, 90, 180 or 270 degrees.
    rotation : float
        Turn by -rotation to +rotation degrees, at most 180. What comes in from outside the image
        is its mirror image.
    shift : float
        Move by up to this part of the image's side, both ways; at most 0.5.
    copies : int
        How many copies of each training image; the images themselves are used as well.
    seed : int
        Of the random numbers, 0 or more.

    Raises
    ------
    UserError
        If an amount is out of its range, or nothing would be changed.

    Examples
    --------
    >>> brighter_or_darker = Augmentation(gain=0.2, offset=15, copies=3)
    >>> image = np.full((4, 4, 3), 100, np.uint8)
    >>> brighter_or_darker(image, np.random.default_rng(0))[0, 0]
    array([99, 99, 99], dtype=uint8)
    """

    gain: float = 0.0
    offset: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    flips: bool = False
    quarter_turns: bool = False
    rotation: float = 0.0
    shift: float = 0.0
    copies: int = 3
    seed: int = 0

    def __post_init__(self):
        for name, limit in _LIMITS.items():
            if not 0 <= getattr(self, name) <= limit:
                raise UserError(
                    f"augmentation: {name} must be from 0 to {limit:g}, not {getattr(self, name)}"
                )
        for name, least in (("copies", 1), ("seed", 0)):
            value = getattr(self, name)
            if value != int(value) or value < least:
                raise UserError(
                    f"augmentation: {name} must be a whole number from {least}, not {value}"
                )
        if not any(getattr(self, name) for name in USUAL):
            raise UserError(f"the augmentation changes nothing; give one of: {', '.join(USUAL)}")

    @classmethod
    def parse(cls, words: Sequence[str], copies: int = 3, seed: int = 0) -> "Augmentation":
        """Make an augmentation from words like ``gain``, ``offset=20`` and ``flips``.

        Parameters
        ----------
        words : sequence of str
            Names of `USUAL`, with an amount or without.
        copies, seed : int

        Raises
        ------
        UserError
            If a name is unknown or an amount no number.

        Examples
        --------
        >>> Augmentation.parse(["gain", "offset=20"]) == Augmentation(gain=0.2, offset=20)
        True
        """
        amounts = {}
        for word in words:
            name, equals, amount = word.partition("=")
            check_choice("augmentation", name, USUAL)
            if equals and USUAL[name] is True:
                raise UserError(f"{name} is on or off and takes no amount: write {name}")
            try:
                amounts[name] = float(amount) if equals else USUAL[name]
            except ValueError:
                raise UserError(f"{word}: the amount must be a number, as in {name}=0.1") from None
        return cls(**amounts, copies=copies, seed=seed)

    def __str__(self) -> str:
        """Return the words that `parse` reads."""
        values = {name: getattr(self, name) for name in USUAL}
        return " ".join(
            name if value is True else f"{name}={value:g}"
            for name, value in values.items()
            if value
        )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a changed copy.

        Parameters
        ----------
        image : ndarray of uint8, shape (S, S, 3)
            RGB; square if `quarter_turns`.
        rng : numpy.random.Generator

        Returns
        -------
        copy : ndarray of uint8, shape (S, S, 3)
            A new array.
        """
        # All numbers are drawn always, so that a change does not depend on which others are on.
        gain, offset, angle, down, right = rng.uniform(-1, 1, 5)
        blur, noise = rng.uniform(0, 1, 2)
        upside_down, mirrored, turns = rng.integers(0, [2, 2, 4])
        if self.flips:
            image = image[:: 1 - 2 * upside_down, :: 1 - 2 * mirrored]
        if self.quarter_turns:
            image = np.rot90(image, turns)
        image = np.ascontiguousarray(image)
        if self.rotation or self.shift:
            image = _moved(image, angle * self.rotation, down * self.shift, right * self.shift)
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), max(blur * self.blur, 1e-3))
        values = image * (1 + gain * self.gain) + offset * self.offset
        if self.noise:
            values += rng.normal(0, noise * self.noise, values.shape)
        return np.rint(np.clip(values, 0, 255)).astype(np.uint8)

    def of_picture(self, picture: Picture) -> Iterator[np.ndarray]:
        """Yield the copies of a picture.

        They depend on the seed and on the bytes of the file, and on nothing else: not on the other
        files, their order, or the number of copies.
        """
        for copy in range(self.copies):
            yield self(
                picture.pixels, np.random.default_rng([self.seed, int(picture.digest, 16), copy])
            )


def _moved(image: np.ndarray, degrees: float, down: float, right: float) -> np.ndarray:
    """Turn an image about its centre and move it by parts of its sides; mirrored at the border."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    matrix[:, 2] += right * width, down * height
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
