"""Fitting and scoring on many machines: Dask for the work, fsspec for the files.

What travels to a worker is a model as ``.tflite`` bytes, once; TensorFlow is not imported there.
"""

from ..ground import UserError, lazy_names

#: Imported at their first use: a worker needs nothing of what lists, fits or makes tables.
_names = lazy_names(
    __name__,
    {
        "BLOCK": "sums",
        "Fitted": "fitting",
        "Source": "urls",
        "connect": "engine",
        "first_images": "first",
        "fit": "fitting",
        "list_urls": "urls",
        "read_rows": "scoring",
        "score": "scoring",
        "score_to": "scoring",
    },
)


def __getattr__(name: str):
    try:
        return _names(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("dask", "distributed", "fsspec"):
            raise UserError(
                f"the package {error.name} is not installed; pip install 'adhelpers[scale]'"
            ) from None
        raise
