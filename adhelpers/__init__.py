"""Gaussian anomaly detection on EfficientNet features.

Names load when they are first used, so that ``import adhelpers`` is quick and never imports
TensorFlow by itself.

>>> import adhelpers as ad
>>> ad.MahalanobisDetector()
MahalanobisDetector()
"""

from importlib import import_module

__version__ = "0.1.0"

#: The public modules, in the order in which data flow, by the names that they have here.
_MODULES = {
    "datasets": "datasets",
    "images": "images",
    "backbones": "backbones",
    "gaussian": "gaussian",
    "quantization": "quantization",
    "features": "features",
    "detector": "detector",
    "evaluation": "evaluation",
    "explain": "evaluation.explain",
    "plots": "evaluation.plots",
    "export": "export",
    "edge": "edge",
    "study": "study",
    "scale": "scale",
    "teaching": "teaching",
    "exercises": "teaching.exercises",
}
#: The public classes, by the modules that they come from.
_CLASSES = {
    "Covariance": "gaussian",
    "Extractor": "features",
    "FeatureMaps": "features",
    "FeatureSet": "features",
    "JointDetector": "detector",
    "LocalDetector": "detector",
    "MahalanobisDetector": "detector",
    "Origin": "features",
    "UserError": "ground",
}

__all__ = [*_MODULES, *_CLASSES]


def __getattr__(name: str):
    """Import a module, or a class, at its first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    if name in _CLASSES:
        return getattr(import_module(f"{__name__}.{_CLASSES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
