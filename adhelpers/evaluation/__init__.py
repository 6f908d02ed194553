"""How well a detector does: ROC and intervals, heat maps, pixel scores, a run's summary.

The figures are in the modules `plots` and `heat_map_plots`, which are imported where one draws.
"""

from . import explain
from .augmentation_choice import choose
from .explain import Explainer, HeatMap, check_combination, split_distance, summed
from .level_damage import LevelDamage, damage, write_damage
from .local_explain import LocalExplainer, make_explainer
from .pixel_scores import PixelCurves, Truth, pixel_curves, read_truth, with_masks
from .pixel_summary import (
    PixelResult,
    areas_of_images,
    evaluate_pixels,
    hits,
    pixel_table,
    read_pixel_summary,
    write_pixel_rows,
    write_pixel_summary,
)
from .roc import auc_interval, defect_type_auc, is_defined, missing_class, roc_auc, roc_curve
from .summary import (
    Result,
    evaluate,
    precision_table,
    read_summary,
    summary_table,
    write_distances,
    write_summary,
)
