"""Gaussian anomaly detection on EfficientNet features.

Names load when they are first used, so that ``import adhelpers`` is quick and never imports
TensorFlow by itself.

>>> import adhelpers as ad
>>> ad.MahalanobisDetector()
MahalanobisDetector()
"""

from importlib import import_module
from pkgutil import iter_modules

__version__ = "0.1.0"

_MODULES = sorted(module.name for module in iter_modules(__path__))
_NAMES = {
    "Covariance": "covariance",
    "Extractor": "extraction",
    "FeatureSet": "features",
    "MahalanobisDetector": "detector",
    "UserError": "errors",
}

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str):
    """Import a submodule, or one of the package's main names, at its first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
