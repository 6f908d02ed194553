"""Where the images come from: MVTec AD (and folders like it), or drawn from formulas."""

from importlib import import_module

from . import mvtec
from .listing import IMAGE_SUFFIXES, list_images
from .mvtec import categories, load_mvtec, read_mask
from .samples import GOOD, Dataset, Samples

#: What is imported at its first use, by the module that it is in.
_LAZY = {
    "PASTES": "drawing.defects",
    "fetch": "",
    "fetch_mvtec": "fetch",
    "load_synthetic": "synthetic",
    "synthetic": "",
}


def __getattr__(name: str):
    """Import what draws or downloads images at its first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_LAZY[name] or name}")
    return getattr(module, name) if _LAZY[name] else module
