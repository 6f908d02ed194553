"""The whole detector as one TFLite model, and many images scored by it."""

from ..ground import lazy_names

#: Imported at their first use: who scores needs nothing of what writes a model.
__getattr__ = lazy_names(
    __name__,
    {
        "TOLERANCE": "detector_graph",
        "build": "detector_graph",
        "check": "detector_graph",
        "describe": "detector_graph",
        "HeatMaps": "heat_maps",
        "RECALIBRATIONS": "recalibration",
        "history": "recalibration",
        "recalibrated": "recalibration",
        "Row": "scoring",
        "Scorer": "scoring",
        "score_files": "scoring",
        "as_parquet": "score_table",
        "cells": "score_table",
        "check_table": "score_table",
        "columns": "score_table",
        "MOST_EXAMPLES": "page",
        "single_page": "page",
        "site": "page",
        "Kept": "sums",
        "read_sums": "sums",
        "write_sums": "sums",
        "write_reference": "reference",
        "write_table": "score_table",
    },
)
