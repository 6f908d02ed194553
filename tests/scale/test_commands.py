"""`adhelpers fit` and `score` with --scheduler: as without, and one line for what cannot be."""

import cv2
import numpy as np
import pytest
from networks import small_backbone
from scale_cluster import free_port
from screens import assert_one_line

from adhelpers import backbones
from adhelpers.cli import main

NETWORK = ["--weights", "none", "--detector", "pooled"]


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setattr(
        backbones, "load_backbone", lambda name, weights, size, seed: small_backbone(size)
    )


def test_fit_and_score(bucket, folder, cluster, client, tmp_path, capsys):
    model, on = tmp_path / "detector.tflite", ["--scheduler", cluster.address]
    fit = ["fit", f"{bucket}/images", *NETWORK, *on, "-o", str(model)]
    assert main([*fit, "--folder", f"{bucket}/job", "--partition", "100"]) == 0
    screen = capsys.readouterr().out
    assert "300 images" in screen
    assert "1 images could not be read, the first: s3://line/images/camera1/broken.png" in screen
    assert main([*fit, "--folder", f"{bucket}/job", "--partition", "100"]) == 0
    assert "5 partitions were there from an earlier run" in capsys.readouterr().out

    score = ["score", str(model), str(folder), "-o"]
    assert main([*score, str(tmp_path / "many.csv"), *on, "--partition", "100"]) == 2
    assert main([*score, str(tmp_path / "one.csv")]) == 2  # for the image that is none
    assert "1 of 300 images could not be scored" in capsys.readouterr().err
    many, one = ((tmp_path / name).read_text() for name in ("many.csv", "one.csv"))
    assert sorted(many.splitlines()) == sorted(one.splitlines())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--detector", "both"], "pooled or local, not both"),
        (["--augment", "gain"], "makes no copies"),
        (["--precision", "int8"], "is calibrated by images on this disk"),
        (["--scheduler", "nowhere"], "nowhere: no scheduler answers"),
        (["--scheduler", "local:0"], "expected local:N"),
    ],
)
def test_what_cannot_be_done_on_a_cluster(more, words, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("adhelpers.scale.engine.PATIENCE", 2.0)
    command = ["fit", str(folder), *NETWORK, "-o", str(tmp_path / "a.tflite")]
    assert main([*command, "--scheduler", f"tcp://127.0.0.1:{free_port()}", *more]) == 2
    assert_one_line(capsys, words)


def test_cameras_of_10_bits_are_asked_about(tmp_path, capsys):
    for i in range(8):
        deep = np.random.default_rng(i).integers(0, 1024, (40, 40)).astype(np.uint16)
        cv2.imwrite(str(tmp_path / f"{i}.png"), deep)
    command = ["fit", str(tmp_path), *NETWORK, "--scheduler", "local:1"]
    assert main([*command, "-o", str(tmp_path / "a.tflite")]) == 2
    assert_one_line(capsys, "the first 16-bit images use 10 bits; say how many", "--bits")


def test_a_table_without_the_column(folder, tmp_path, capsys):
    (tmp_path / "images.csv").write_text("path\na.png\n")
    command = ["fit", str(tmp_path / "images.csv"), *NETWORK, "--scheduler", "local:1"]
    assert main([*command, "-o", str(tmp_path / "a.tflite")]) == 2
    assert_one_line(capsys, "no column 'url'; choose one of: path")


@pytest.mark.parametrize("more", [["--folder", "x"], ["--column", "url"], ["--partition", "9"]])
def test_options_of_a_cluster_without_one(more, folder, tmp_path, capsys):
    assert main(["fit", str(folder), *NETWORK, *more]) == 2
    assert_one_line(capsys, f"{more[0]} go with --scheduler")
    (tmp_path / "d.tflite").touch()
    assert main(["score", str(tmp_path / "d.tflite"), str(folder), *more]) == 2
    assert_one_line(capsys, f"{more[0]} go with --scheduler")
