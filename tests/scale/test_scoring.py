"""Scores on a cluster: those of one machine."""

import numpy as np
import pytest

from adhelpers import LocalDetector, UserError, export, scale


@pytest.fixture(scope="module")
def detector(network, folder) -> bytes:
    fitted = scale.fit(folder, network, detector=LocalDetector(levels=["level_1", "level_2"]))
    return export.build(network.model, fitted.detector)


def test_scores_are_those_of_score_files(detector, bucket, folder, client):
    table = scale.score(f"{bucket}/images", detector, client, f"{bucket}/scores", partition=70)
    assert table.npartitions == 5
    found = table.compute(scheduler="synchronous")
    paths = sorted(folder.rglob("*.png"), key=str)
    rows = list(export.score_files(detector, paths))
    assert list(found.columns) == export.columns(["level_1", "level_2"])
    assert [path.rpartition("/")[2] for path in found["path"]] == [path.name for path in paths]
    for i, row in enumerate(rows):
        one = found.iloc[i]
        if row.error:
            assert one["error"] == row.error and np.isnan(one["score"])
        else:
            assert (one["score"], one["decision"]) == (row.score, row.decision)
            assert {name: one[name] for name in row.distances} == row.distances
    assert found["error"].notna().sum() == 1


def test_only_missing_partitions_are_scored_again(detector, folder, client, tmp_path):
    first = scale.score(folder, detector, client, str(tmp_path), partition=100)
    files = sorted((tmp_path / "scores").iterdir())
    files[1].unlink()
    times = [path.stat().st_mtime_ns for path in (files[0], files[2])]
    again = scale.score(folder, detector, None, str(tmp_path), partition=100)
    assert len(files) == 3
    assert times == [path.stat().st_mtime_ns for path in (files[0], files[2])]
    assert again.compute().equals(first.compute())


def test_another_threshold_decides(detector, folder, client):
    table = scale.score(folder, detector, client, threshold=0.0).compute()
    assert set(table["decision"].dropna()) == {"ANOMALY"}


def test_what_is_no_detector_is_one_line(network, folder, detector):
    for model, words in [
        (b"none", "no .tflite file"),
        (network.model, "not a detector that runs here"),
    ]:
        with pytest.raises(UserError, match=words):
            scale.score(folder, model)
    with pytest.raises(UserError, match="finite number"):
        scale.score(folder, detector, threshold=float("nan"))
