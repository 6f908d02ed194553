"""Images to features: a vector per image and level, with what it came from, and its file."""

from .copies import copies_in_words, extract_copies, extract_variants, extract_with_copies
from .engines import ENGINES
from .extractor import Extractor
from .feature_maps import MAP_LEVELS, Batch, FeatureMaps
from .feature_set import FeatureSet, joined
from .model_cache import cache_folder, choose_calibration
from .origin import Origin, differing_fields
