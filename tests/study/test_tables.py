import csv

import numpy as np
import pytest
from origins import origin
from scipy.stats import sem

import adhelpers as ad
from adhelpers.study import ALL_LEVELS, published, table_plots, tables

B4 = {"backbone": "efficientnet-b4", "weights": "imagenet", "protocol": "crop"}


def features(n: int, seed: int, labels=None, **fields) -> ad.FeatureSet:
    rng = np.random.default_rng(seed)
    shift = 0 if labels is None else 0.8 * np.asarray(labels)[:, None]
    levels = {"level_1": rng.normal(size=(n, 6)) + shift, "level_2": rng.normal(size=(n, 60))}
    return ad.FeatureSet.from_arrays(levels, labels=labels, origin=origin(**fields))


@pytest.fixture
def cells() -> list[tables.AreaCell]:
    found = []
    for i, category in enumerate(["screw", "zipper"]):
        train, test = features(30, 2 * i, **B4), features(24, 2 * i + 1, [0, 1] * 12, **B4)
        rows = {"Mahalanobis": {}, "L2": {"covariance": "identity"}}
        found += tables.area_rows(category, rows, train, test, 3, is_mvtec=True)
    return found


@pytest.fixture
def rate_cells() -> list[tables.RateCell]:
    found = []
    for i, category in enumerate(["p", "q"]):
        train, test = features(60, 2 * i), features(24, 2 * i + 1, [0, 1] * 12)
        found += tables.rate_rows(category, train, test)
    return found


def test_areas_are_those_of_the_detector(cells):
    train, test = features(30, 0, **B4), features(24, 1, [0, 1] * 12, **B4)
    detector = ad.MahalanobisDetector(covariance="identity").fit(train)
    found = {(c.category, c.row, c.column): c for c in cells}
    distances = detector.level_distances(test)
    assert found["screw", "L2", "level_1"].auroc == ad.evaluation.roc_auc(
        test.labels, distances["level_1"]
    )
    assert found["screw", "L2", ALL_LEVELS].auroc == ad.evaluation.roc_auc(
        test.labels, detector.anomaly_score(test)
    )
    assert all(cell.cv_sem >= 0 for cell in cells)


def test_published_figures_stand_beside_the_very_same_thing_alone(cells):
    known = [(c.category, c.row, c.column) for c in cells if c.published is not None]
    assert known == [("screw", "Mahalanobis", ALL_LEVELS), ("zipper", "Mahalanobis", ALL_LEVELS)]
    assert published.find("efficientnet-b0", "imagenet", "crop", ["screw"]) is None
    assert published.find("efficientnet-b4", "none", "crop", ["screw"]) is None
    assert published.find("efficientnet-b4", "imagenet", "crop", ["bolt"]) is None
    assert published.find("efficientnet-b4", "imagenet", "crop", ["screw", "zipper"]) is None
    everything = list(published._PYTORCH)
    crop = published.find("efficientnet-b4", "imagenet", "crop", everything)
    square = published.find("efficientnet-b4", "imagenet", "square", everything)
    assert crop.area == pytest.approx(0.947, abs=6e-4)
    assert (square.area, square.sem) == (0.958, 0.012)
    own = tables.area_rows(
        "screw", {"x": {}}, features(9, 0, **B4), features(4, 1, [0, 1] * 2, **B4), 0, False
    )
    assert all(cell.published is None for cell in own)


def test_means_are_over_categories(cells):
    means = tables.mean_areas(cells, {})
    assert {(c.row, c.column) for c in means} == {(c.row, c.column) for c in cells}
    (one,) = [c for c in means if (c.row, c.column) == ("L2", "level_2")]
    parts = [c for c in cells if (c.row, c.column) == ("L2", "level_2")]
    assert one.auroc == pytest.approx(np.mean([c.auroc for c in parts]))
    assert one.cv_auroc == pytest.approx(np.mean([c.cv_auroc for c in parts]))
    assert one.cv_sem == pytest.approx(sem([c.cv_auroc for c in parts]))
    assert tables.mean_areas([c for c in cells if c.category == "screw"], {}) == []


def test_markdown_says_what_the_cells_say(cells):
    text = tables.markdown(cells + tables.mean_areas(cells, {}), "Title", "Caption.")
    lines = text.splitlines()
    assert lines[:3] == ["# Title", "", "Caption."]
    assert [line for line in lines if line.startswith("## ")] == [
        "## screw",
        "## zipper",
        "## mean",
    ]
    head = lines.index("## screw") + 2
    assert lines[head] == "|  | level_1 | level_2 | all levels | published |"
    row = [c for c in cells if (c.category, c.row) == ("screw", "Mahalanobis")]
    expected = " | ".join(
        f"{100 * c.auroc:.1f} ({100 * c.cv_auroc:.1f} ± {100 * c.cv_sem:.1f})" for c in row
    )
    assert lines[head + 2] == f"| Mahalanobis | {expected} | 78.1 |"
    assert lines[head + 3].endswith(" |  |")
    assert "Published: MahalanobisAD-pytorch (crop of 224, fitted once)." in text


def test_the_csv_file_holds_every_cell(cells, tmp_path):
    tables.write_csv(cells, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(cells)
    for line, cell in zip(lines, cells, strict=True):
        assert (line["category"], line["row"], line["column"]) == (
            cell.category,
            cell.row,
            cell.column,
        )
        assert float(line["auroc"]) == cell.auroc
        assert line["published"] == ("" if cell.published is None else str(cell.published))


@pytest.mark.filterwarnings("error")
def test_rates_are_those_of_predict(rate_cells):
    found = {(c.category, c.row, c.column): c for c in rate_cells}
    train, test = features(60, 0), features(24, 1, [0, 1] * 12)
    detector = ad.MahalanobisDetector(["level_1"], threshold="chi-square", quantile=0.68268949)
    anomalous = detector.fit(train).predict(test) == -1
    cell = found["p", "chi-square, 1 sigma", "level_1"]
    assert cell.true_positive_rate == anomalous[test.labels == 1].mean()
    assert cell.false_positive_rate == anomalous[test.labels == 0].mean()
    for column in ("level_1", "level_2", ALL_LEVELS):
        rates = [
            found["p", f"chi-square, {n} sigma", column].true_positive_rate for n in range(1, 6)
        ]
        assert rates == sorted(rates, reverse=True)
    assert found["p", "conformal, 90 %", ALL_LEVELS].false_positive_rate is not None
    assert found["p", "conformal, 95 %", ALL_LEVELS].false_positive_rate is None  # 12 held out


def test_means_of_rates(rate_cells):
    means = {(c.row, c.column): c for c in tables.mean_rates(rate_cells)}
    parts = [c for c in rate_cells if (c.row, c.column) == ("held-out, 95 %", "level_1")]
    one = means["held-out, 95 %", "level_1"]
    assert one.true_positive_rate == pytest.approx(np.mean([c.true_positive_rate for c in parts]))
    assert one.text == f"{100 * one.true_positive_rate:.0f} / {100 * one.false_positive_rate:.0f}"
    assert means["conformal, 95 %", "level_1"].text == "–"


def test_figures_have_a_panel_per_category(cells, rate_cells):
    figure = table_plots.areas(cells + tables.mean_areas(cells, {}), "title", "weights: none")
    assert [axes.get_title() for axes in figure.axes] == ["screw", "zipper", "mean"]
    assert "weights: none" in figure.get_suptitle()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Mahalanobis", "L2"]
    first = [c for c in cells if (c.category, c.row) == ("screw", "Mahalanobis")]
    drawn = [y for line in figure.axes[0].lines for y in line.get_ydata()]
    assert {100 * cell.auroc for cell in first} <= set(drawn)
    figure = table_plots.rates(rate_cells, "title")
    assert [axes.get_title() for axes in figure.axes] == ["p", "q"]
    assert len(figure.axes[0].get_xticklabels()) == len(tables.THRESHOLDS)
