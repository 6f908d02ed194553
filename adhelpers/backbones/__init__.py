"""EfficientNet by name: its levels, its weights, and what runs it."""

from ..ground import lazy_names
from . import builtin
from .conversion import convert
from .networks import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    VARIANTS,
    Backbone,
    describe_weights,
    in_order,
    level_outputs,
    load_backbone,
    variant,
)
from .runners import RUNNERS, KerasRunner, LiteRTRunner, has_gpu, pooled_in_batches

#: Imported at their first use: who runs a network needs nothing of what changes a model.
__getattr__ = lazy_names(__name__, {"Graph": "graph", "take_bytes": "graph", "with_maps": "graph"})
