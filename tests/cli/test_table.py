import copy
import csv
from dataclasses import replace

import numpy as np
import pytest
from pictures import write_category

import adhelpers as ad
from adhelpers.cli import main
from adhelpers.cli import options as shared
from adhelpers.study import tables


@pytest.fixture(autouse=True)
def networks(untrained, monkeypatch) -> list[int]:
    """Let the command use small stand-ins; return how many images each call gave to a network."""
    seen: list[int] = []

    def extractor(backbone, *others, **more):
        stand_in = copy.copy(untrained)
        stand_in.origin = replace(untrained.origin, backbone=backbone)
        stand_in.pooled = lambda batch: seen.append(len(batch)) or pooled(batch)
        return stand_in

    def pooled(batch):
        rng = np.random.default_rng(0)
        means = batch.reshape(len(batch), -1)[:, :60].astype(np.float64)
        return {
            name: (means @ rng.normal(size=(60, width))).astype(np.float32)
            for name, width in untrained.levels.items()
        }

    monkeypatch.setattr(ad.features, "Extractor", extractor)
    return seen


def table(root, result, name: str, *more: str) -> int:
    arguments = ["--data_path", str(root), "--save_path", str(result), "--weights", "none"]
    return main(["table", name, *arguments, *more])


def lines_of(path) -> list[dict]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("levels", tables.DISTANCES),
        ("reductions", tables.REDUCTIONS),
        ("combinations", tables.COMBINATIONS),
        ("thresholds", tables.THRESHOLDS),
    ],
)
def test_tables_of_one_network(tmp_path, capsys, name, rows):
    write_category(tmp_path / "data/plate", n_train=8)
    write_category(tmp_path / "data/bolt", n_train=8)
    assert table(tmp_path / "data", tmp_path / "r", name, "--folds", "2") == 0
    place = tmp_path / f"r/tables/table_{name}_efficientnet-b0"
    lines = lines_of(place.with_suffix(".csv"))
    assert [*dict.fromkeys(line["category"] for line in lines)] == ["bolt", "plate", "mean"]
    assert {line["row"] for line in lines} == set(rows)
    columns = {line["column"] for line in lines}
    assert columns == ({"all levels"} if name == "combinations" else columns)
    assert len(columns) == (1 if name == "combinations" else 10)
    text = place.with_suffix(".md").read_text()
    assert "weights: none (untrained, seed 0)" in text
    assert text in capsys.readouterr().out
    assert place.with_suffix(".png").stat().st_size > 5000


def test_kinds_of_detector(small_root, tmp_path, monkeypatch, untrained, capsys):
    monkeypatch.setattr(ad.features, "Extractor", lambda *_, **__: untrained)
    assert table(small_root, tmp_path / "r", "detectors") == 0
    lines = lines_of(tmp_path / "r/tables/table_detectors_efficientnet-b0.csv")
    assert [line["row"] for line in lines] == ["pooled", "local", "both"]
    data = ad.datasets.load_mvtec(small_root, "plate")
    scores = (
        ad.LocalDetector().fit(untrained.maps(data.train)).anomaly_score(untrained.maps(data.test))
    )
    area = ad.evaluation.roc_auc(data.test.labels, scores)
    assert float(lines[1]["auroc"]) == pytest.approx(area)
    assert table(small_root, tmp_path / "r", "detectors", "--detector", "local") == 0
    lines = lines_of(tmp_path / "r/tables/table_detectors_efficientnet-b0.csv")
    assert [line["row"] for line in lines] == ["local"]


def test_backbones_and_each_image_once(small_root, tmp_path, networks):
    names = ["efficientnet-b0", "efficientnetv2-b0"]
    assert table(small_root, tmp_path / "r", "backbones", "--model_name", *names) == 0
    assert sum(networks) == 2 * 12
    lines = lines_of(tmp_path / "r/tables/table_backbones.csv")
    assert [*dict.fromkeys(line["row"] for line in lines)] == names
    assert all(line["cv_auroc"] for line in lines)
    assert table(small_root, tmp_path / "r", "levels", "--folds", "0") == 0
    assert sum(networks) == 2 * 12  # the features were there already
    lines = lines_of(tmp_path / "r/tables/table_levels_efficientnet-b0.csv")
    assert not any(line["cv_auroc"] for line in lines)


@pytest.mark.parametrize(
    ("n_train", "options", "known"),
    [(247, [], 0.985), (8, [], None), (8, ["--mvtec"], 0.985)],
    ids=["MVTec's counts", "other counts", "the user says so"],
)
def test_published_figures_stand_beside_mvtecs_wood_alone(
    tmp_path, monkeypatch, untrained, n_train, options, known
):
    write_category(tmp_path / "data/wood", n_train=8)
    samples = ad.datasets.load_mvtec(tmp_path / "data", "wood")
    many = replace(
        samples,
        train=samples.train.subset([i % 8 for i in range(n_train)]),
        test=samples.test.subset([i % 6 for i in range(79)]),
    )
    monkeypatch.setattr(shared, "load_mvtec", lambda root, name: many)
    monkeypatch.setattr(
        untrained, "origin", replace(untrained.origin, weights="imagenet", protocol="crop")
    )
    more = ["--model_name", "efficientnet-b4", "--protocol", "crop", "--folds", "0", *options]
    assert table(tmp_path / "data", tmp_path / "r", "levels", *more) == 0
    lines = lines_of(tmp_path / "r/tables/table_levels_efficientnet-b4.csv")
    found = {
        line["published"]
        for line in lines
        if (line["row"], line["column"]) == ("Mahalanobis", "all levels")
    }
    assert found == {"" if known is None else str(known)}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("levels", ["--folds", "1"], ["--folds must be 2 or more, or 0"]),
        ("levels", ["--folds", "7"], ["6 training images, fewer than 7 folds", "--folds"]),
        ("levels", ["--model_name", "efficientnet-b0", "efficientnet-b1"], ["one --model_name"]),
        ("levels", ["--category", "nut"], ["unknown category 'nut'", "plate"]),
        ("layers", [], ["levels", "backbones", "reductions", "thresholds"]),
        (
            "backbones",
            ["--model_name", "efficientnet-b0", "efficientnet-b1", "--weights", "builtin"],
            ["--weights builtin belong to one network"],
        ),
    ],
)
def test_what_cannot_be_done_is_told_before_any_work(
    small_root, tmp_path, capsys, networks, name, arguments, words
):
    try:
        code = table(small_root, tmp_path / "r", name, *arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert networks == []


def test_a_category_without_anomalies(tmp_path, capsys, networks):
    write_category(tmp_path / "data/plate", n_bad=0)
    assert table(tmp_path / "data", tmp_path / "r", "levels") == 2
    assert "plate needs normal and anomalous test images" in capsys.readouterr().err
    assert networks == []
