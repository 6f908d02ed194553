"""Fitting on changed copies: AUROC by kind of change, and what the choice without labels makes.

For each category, every candidate of `augmentation_choice` with three copies of each training image
and five draws of the random changes (mean and standard deviation of the test images' AUROC over
them), beside the area without labels that `--augment auto` goes by.

    python benchmarks/augmentation.py --backbone efficientnetv2-b0 --weights FILE \
        --root MVTEC_AD --categories toothbrush screw
    python benchmarks/augmentation.py
"""

import argparse

import numpy as np

import adhelpers as ad
from adhelpers.evaluation import augmentation_choice
from adhelpers.features import extract_copies, joined
from adhelpers.images import Augmentation


def areas(extract, data, candidates: dict[str, str], draws: int) -> dict[str, list[float]]:
    """Return the AUROC of the test images by candidate, for each draw of the changes."""
    train, test = extract(data.train), extract(data.test)
    found = {}
    for name, words in candidates.items():
        found[name] = []
        for seed in range(draws if words else 1):
            fitted = train
            if words:
                augmentation = Augmentation.parse(words.split(), seed=seed)
                fitted = joined([train, extract_copies(extract, data.train, augmentation)])
            detector = ad.MahalanobisDetector(threshold=None).fit(fitted)
            scores = detector.anomaly_score(test)
            found[name].append(ad.evaluation.roc_auc(test.labels, scores))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="efficientnet-b0")
    parser.add_argument("--weights", default="builtin")
    parser.add_argument("--root", help="MVTec AD's folder; the embedded data set when not given")
    parser.add_argument("--categories", nargs="+", default=list(ad.datasets.synthetic.CATEGORIES))
    parser.add_argument("--draws", type=int, default=5, help="of the random changes")
    arguments = parser.parse_args()
    extract = ad.Extractor(arguments.backbone, arguments.weights)
    candidates = augmentation_choice.CANDIDATES
    print(f"| | {' | '.join(candidates)} | chosen |\n|{'---|' * (len(candidates) + 2)}", flush=True)
    for category in arguments.categories:
        root = arguments.root
        data = (
            ad.datasets.load_mvtec(root, category) if root else ad.datasets.load_synthetic(category)
        )
        found = areas(extract, data, candidates, arguments.draws)
        cells = [
            f"{100 * np.mean(x):.1f}" + (f" ± {100 * np.std(x, ddof=1):.1f}" if len(x) > 1 else "")
            for x in found.values()
        ]
        choice = augmentation_choice.choose(extract, data.train)
        print(f"| {category} | {' | '.join(cells)} | {choice.name} |", flush=True)
        cells = [f"{100 * area:.1f}" for area in choice.areas.values()]
        print(f"| without labels | {' | '.join(cells)} | |", flush=True)


if __name__ == "__main__":
    main()
