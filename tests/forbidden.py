"""An environment in which packages cannot be imported that are installed."""

import os
from collections.abc import Sequence
from pathlib import Path

TENSORFLOW = ("tensorflow", "keras")


def without(names: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the variables for processes in which these packages cannot be imported.

    Parameters
    ----------
    names : sequence of str
    folder : Path
        For what forbids them.
    """
    for name in names:
        place = folder / "forbidden" / f"{name}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text("raise ImportError('forbidden')\n")
    paths = [str(folder / "forbidden"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
