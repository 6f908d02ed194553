"""The time that records carry."""

import os
from datetime import UTC, datetime


def timestamp() -> str:
    """Return the time in UTC, to the second, in ISO 8601.

    The variable SOURCE_DATE_EPOCH, seconds since 1970, stands for the clock where files are to be
    the same each time (reproducible-builds.org/docs/source-date-epoch).

    Examples
    --------
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, SOURCE_DATE_EPOCH="86400"):
    ...     timestamp()
    '1970-01-02T00:00:00+00:00'
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return time.isoformat(timespec="seconds")
