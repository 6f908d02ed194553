"""How well a detector does: ROC and intervals, heat maps, pixel scores, a run's summary.

The figures are in the modules `plots` and `heat_map_plots`, which are imported where one draws.
"""

from . import explain
from .augmentation_choice import choose
from .explain import Explainer, HeatMap, check_combination, split_distance, summed
from .level_damage import LevelDamage, damage, write_damage
from .pixel_scores import PixelCurves, Truth, pixel_curves, read_truth, with_masks
from .pixel_summary import (
    PixelResult,
    areas_of_images,
    evaluate_pixels,
    pixel_table,
    write_pixel_rows,
    write_pixel_summary,
)
from .roc import auc_interval, defect_type_auc, is_defined, missing_class, roc_auc, roc_curve
from .summary import (
    Result,
    evaluate,
    precision_table,
    summary_table,
    write_distances,
    write_summary,
)

__all__ = [
    "Explainer",
    "HeatMap",
    "LevelDamage",
    "PixelCurves",
    "PixelResult",
    "Result",
    "Truth",
    "areas_of_images",
    "auc_interval",
    "check_combination",
    "choose",
    "damage",
    "defect_type_auc",
    "evaluate",
    "evaluate_pixels",
    "explain",
    "is_defined",
    "missing_class",
    "pixel_curves",
    "pixel_table",
    "precision_table",
    "read_truth",
    "roc_auc",
    "roc_curve",
    "split_distance",
    "summary_table",
    "summed",
    "with_masks",
    "write_damage",
    "write_distances",
    "write_pixel_rows",
    "write_pixel_summary",
    "write_summary",
]
