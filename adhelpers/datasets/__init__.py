"""Where the images come from: MVTec AD (and folders like it), or drawn from formulas."""

from importlib import import_module

from .samples import GOOD, Dataset, Samples

_MODULES = ("fetch", "mvtec", "synthetic")

__all__ = ["GOOD", "Dataset", "Samples", *_MODULES]


def __getattr__(name: str):
    """Import a submodule at its first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
