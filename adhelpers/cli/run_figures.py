"""The figures of a run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..evaluation import Result, is_defined
from ..features import FeatureSet
from .detecting import AnyDetector
from .names import file_name


@dataclass(frozen=True)
class Scored:
    """A category's test images with the scores of one detector: all that the figures need."""

    result: Result
    train: FeatureSet
    features: FeatureSet
    distances: dict[str, np.ndarray]
    detector: AnyDetector

    @cached_property
    def scores(self) -> np.ndarray:
        return self.detector.combined(self.distances)

    @property
    def name(self) -> str:
        """What the files of this category, model, engine, precision and detector are called."""
        r = self.result
        kind = () if r.kind == "pooled" else (r.kind,)
        return "_".join((r.category, r.model, r.engine, r.precision, *kind))


def draw_category(networks: list[list[Scored]], folder: Path) -> None:
    """Draw the figures of one category: of the float32 network, and of all precisions in one."""
    from ..evaluation import plots

    full = networks[0][-1]
    result, test, scores = full.result, full.features, full.scores
    if not len(test):
        return
    words = subtitle(result)
    threshold = full.detector.threshold_ if full.detector.has_threshold else None
    title = f"{result.category}: scores"
    figures = {"scores": plots.score_histogram(scores, test.defect_types, threshold, title, words)}
    if threshold is not None:
        title = f"{result.category}: images and their scores"
        figures["examples"] = plots.examples(
            *(test.paths, scores, test.defect_types, threshold, title, words),
            bits=test.origin.bits,
        )
    if is_defined(test.labels):
        figures |= _roc_figures(networks)
    for kind, figure in figures.items():
        name = file_name(kind, result.category, result.model)
        plots.save(figure, folder / f"{name}.png")


def _roc_figures(networks: list[list[Scored]]) -> dict:
    """Draw ROC curves: of the detectors or else of the levels, and of the precisions."""
    from ..evaluation import plots

    *others, full = networks[0]
    labels, result = full.features.labels, full.result
    if others:
        curves = {one.result.kind: (labels, one.scores) for one in [full, *reversed(others)]}
        title = "ROC per detector"
    else:
        curves = {"score": (labels, full.scores)}
        curves |= {level: (labels, distance) for level, distance in full.distances.items()}
        title = "ROC per level"
    figures = {"roc": plots.roc(curves, f"{result.category}: {title}", subtitle(result))}
    if len(networks) > 1:
        last = [group[-1] for group in networks]
        curves = {
            f"{one.result.engine} {one.result.precision}": (one.features.labels, one.scores)
            for one in last
        }
        title = f"{result.category}: ROC per precision"
        figures["roc_precisions"] = plots.roc(curves, title, subtitle(result, False))
    return figures


def draw_all(scored: list[Scored], folder: Path) -> None:
    """Draw the ROC curves of all categories into one figure."""
    from ..evaluation import plots

    curves = {
        one.result.category: (one.features.labels, one.scores)
        for one in scored
        if is_defined(one.features.labels)
    }
    if curves:
        figure = plots.roc(curves, "ROC per category", subtitle(scored[0].result))
        plots.save(figure, folder / f"roc_{scored[0].result.model}.png")


def subtitle(result: Result, with_engine: bool = True) -> str:
    """Return what a figure's numbers come from, in words."""
    engine = f", {result.engine} {result.precision}" if with_engine else ""
    network = f"{result.model}, weights: {result.weights}, {result.protocol}{engine}"
    return f"{network}\n{result.detector}"
