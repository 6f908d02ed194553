"""What features came from."""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields

from ..ground import UserError
from ..images import MOST_BITS


@dataclass(frozen=True)
class Origin:
    """What features came from; two sets may be compared only where all of it agrees.

    Parameters
    ----------
    backbone : str
        A key of `adhelpers.backbones.VARIANTS`.
    weights : str
        As `adhelpers.backbones.describe_weights` calls them.
    input_size : int
        The side of the network's images, in pixels.
    protocol : str
        A key of `adhelpers.images.PROTOCOLS`.
    engine : str
        A key of `adhelpers.backbones.RUNNERS`.
    precision : str
        A key of `adhelpers.quantization.PRECISIONS`.
    calibration : str or None
        A digest of the images that the precision was calibrated with.
    bits : int
        How many bits of 16-bit images are in use; see `adhelpers.images.bits_in_use`.

    Examples
    --------
    >>> one = Origin("efficientnet-b0", "builtin", 224, "square", "tflite", "float32")
    >>> one.words
    'efficientnet-b0, weights: builtin, square, tflite float32'
    """

    backbone: str
    weights: str
    input_size: int
    protocol: str
    engine: str
    precision: str
    calibration: str | None = None
    bits: int = MOST_BITS

    @classmethod
    def from_record(cls, record: dict | None) -> "Origin | None":
        """Return what `asdict` made into a record; None for None.

        Raises
        ------
        UserError
            If the record lacks a field, has another one, or one of another type.
        """
        if record is None:
            return None
        kinds = {field.name: field.type for field in fields(cls)}
        if isinstance(record, dict):
            record = {"bits": MOST_BITS, **record}  # older ones do not say
        if not isinstance(record, dict) or set(record) != set(kinds):
            raise UserError(f"an origin has the fields {', '.join(kinds)}, not {record!r:.100}")
        for name, kind in kinds.items():
            if not isinstance(record[name], kind) or isinstance(record[name], bool):
                raise UserError(f"the origin's {name} cannot be {record[name]!r:.100}")
        return cls(**record)

    @property
    def record(self) -> dict:
        """dict: the fields by name, as JSON can hold them."""
        return asdict(self)

    @property
    def slug(self) -> str:
        """str: the same for the name of a file."""
        parts = [self.backbone, self.weights, f"{self.protocol}{self.input_size}", self.engine]
        parts += [self.precision, *([self.calibration] if self.calibration else [])]
        parts += [f"{self.bits}bits"] if self.bits != MOST_BITS else []
        return "_".join(re.sub(r"[^\w.]+", "-", part).strip("-") for part in parts)

    @property
    def words(self) -> str:
        """str: for subtitles and tables."""
        return f"{self.network_words}, {self.engine} {self.precision}"

    @property
    def network_words(self) -> str:
        """str: the same without engine and precision."""
        bits = f", {self.bits} bits" if self.bits != MOST_BITS else ""
        return f"{self.backbone}, weights: {self.weights}, {self.protocol}{bits}"


def differing_fields(
    one: Origin | None, other: Origin | None, but: Collection[str] = ()
) -> list[str]:
    """Return, in words, the fields in which two origins differ.

    Parameters
    ----------
    one, other : Origin or None
        None, of plain arrays, differs from every origin in every field.
    but : collection of str
        Fields that do not count.

    Examples
    --------
    >>> one = Origin("efficientnet-b0", "builtin", 224, "square", "tflite", "float32")
    >>> from dataclasses import replace
    >>> differing_fields(one, replace(one, protocol="crop"))
    ["protocol ('square', 'crop')"]
    """
    pairs = {
        field.name: (getattr(one, field.name, None), getattr(other, field.name, None))
        for field in fields(Origin)
        if field.name not in but
    }
    return [f"{name} ({a!r}, {b!r})" for name, (a, b) in pairs.items() if a != b]
