"""The whole detector as one TFLite model, and many images scored by it."""

from importlib import import_module

#: What is imported at its first use, by the module that it is in: who scores needs nothing of
#: what writes a model.
_LAZY = {
    "TOLERANCE": "detector_graph",
    "Graph": "graph",
    "Row": "scoring",
    "Scorer": "scoring",
    "build": "detector_graph",
    "cells": "score_table",
    "check": "detector_graph",
    "check_table": "score_table",
    "columns": "score_table",
    "describe": "detector_graph",
    "score_files": "scoring",
    "take_bytes": "graph",
    "write_table": "score_table",
}


def __getattr__(name: str):
    """Import what is asked for at its first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
