"""Where the images come from: MVTec AD (and folders like it), or drawn from formulas."""

from ..ground import lazy_names
from . import mvtec
from .listing import IMAGE_SUFFIXES, list_images
from .masks import advice
from .mvtec import categories, load_mvtec, read_mask
from .results import check_apart
from .samples import GOOD, Dataset, Samples

#: Imported at their first use: what draws or downloads images.
__getattr__ = lazy_names(
    __name__,
    {
        "PASTES": "drawing.defects",
        "fetch": ".",
        "fetch_mvtec": "fetch",
        "load_synthetic": "synthetic",
        "synthetic": ".",
    },
)
