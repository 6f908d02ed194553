"""Fitting and scoring on many machines: Dask for the work, fsspec for the files.

What travels to a worker is a model as ``.tflite`` bytes, once; TensorFlow is not imported there.
"""

from ..ground import lazy_names

#: Imported at their first use: a worker needs nothing of what lists, fits or makes tables.
__getattr__ = lazy_names(
    __name__,
    {
        "BLOCK": "sums",
        "Fitted": "fitting",
        "Source": "urls",
        "connect": "engine",
        "fit": "fitting",
        "list_urls": "urls",
        "score": "scoring",
        "score_to": "scoring",
    },
)
