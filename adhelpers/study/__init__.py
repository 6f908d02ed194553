"""The paper's tables, for any data set, beside what was published."""

from .cross_validation import ALL_LEVELS, Area, cross_validate
from .tables import AreaCell, RateCell
