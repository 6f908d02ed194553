"""What is trained when: sizes of pictures, parts of the network, help, and learning rate."""

import numpy as np

#: Until which share of the run pictures have which size.
SIZES = ((128, 0.36), (160, 0.9), (192, 1.0))
_TOGETHER = 0.36  # the share of a run after which early and late stages train as one
#: The shares of a run between which help from the teacher fades out.
HELP = {"early": (0.22, 0.35), "late": (0.3, 0.6), "all": (0.36, 0.48)}
_WARM_UP = 150


def progress(step: int, steps: int, continued: bool) -> float:
    """Return which share of a run is over, 0 to 1; one that goes on needs no help any more."""
    start = HELP["all"][1] if continued else 0.0
    return start + (1 - start) * step / steps


def part_of(step: int, progress: float) -> str:
    """Say which stages a step trains: one step in three the early ones, then all together."""
    if progress >= _TOGETHER:
        return "all"
    return "early" if step % 3 == 0 else "late"


def help_from_teacher(part: str, progress: float) -> float:
    """Return the chance that an image enters a stage as the teacher has it: from 1 to 0."""
    start, end = HELP[part]
    return float(np.clip((end - progress) / (end - start), 0, 1))


def learning_rate(step: int, progress: float, peak: float) -> float:
    """Rise over the first steps, then fall as a cosine to a fiftieth."""
    falling = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * min(1.0, progress)))
    return float(peak * falling * min(1.0, (step + 1) / _WARM_UP))
