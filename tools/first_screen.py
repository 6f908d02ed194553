"""Draw README's figures from a run on the embedded data set: python -m tools.first_screen."""

from pathlib import Path

import numpy as np

import adhelpers as ad
from adhelpers import images
from adhelpers.datasets import mvtec, synthetic
from adhelpers.evaluation import LocalExplainer, heat_map_plots, plots, read_truth

FOLDER = Path("docs/images")


def main() -> None:
    extract = ad.Extractor("efficientnet-b0", weights="builtin")
    curves, examples = {}, []
    for category in synthetic.CATEGORIES:
        data = synthetic.load_synthetic(category)
        detector = ad.LocalDetector().fit(extract.maps(data.train))
        scores = detector.anomaly_score(extract.maps(data.test))
        curves[category] = (data.test.labels, scores)
        examples.append(example(category, data.test, scores, LocalExplainer(extract, detector)))
    subtitle = f"efficientnet-b0, weights: {extract.origin.weights}, Gaussians per position"
    words = f"{subtitle}; full colour: twice what normal test images reach"
    title = LocalExplainer.shows.capitalize()
    gallery = heat_map_plots.gallery({"": examples}, title, words, {"": 1.0})
    plots.save(gallery, FOLDER / "heat_maps.png", dpi=80)
    plots.save(plots.roc(curves, "ROC per category", subtitle), FOLDER / "roc.png", dpi=80)


def example(category: str, test, scores: np.ndarray, explainer) -> heat_map_plots.Example:
    """Explain the anomalous image whose score is the median of the anomalous ones'.

    The heat is in units of what normal test images of its category reach.
    """
    size = explainer.origin.input_size
    good = read_truth(test.subset(np.flatnonzero(test.labels == 0)), size)
    reached = heat_map_plots.reaches(explainer.explained(good.images)[0], size)
    anomalous = np.flatnonzero(test.labels)
    chosen = anomalous[np.argsort(scores[anomalous])[len(anomalous) // 2]]
    image = images.read(test.paths[chosen])
    mask = mvtec.read_mask(test.mask_paths[chosen], image.shape[:2])
    kind = test.defect_types[chosen].replace("_", " ")
    title = f"{category}: {kind}, score {scores[chosen]:.0f}"
    heat = explainer(image).total / reached["all levels"]
    return heat_map_plots.Example(image, heat, mask, title)


if __name__ == "__main__":
    main()
