"""Origins for features that came from nowhere."""

from dataclasses import replace

from adhelpers.features import Origin

_SOME = Origin("efficientnet-b0", "none", 64, "square", "tflite", "float32")


def origin(**fields) -> Origin | None:
    """Return an origin with these fields; None without any."""
    return replace(_SOME, **fields) if fields else None
