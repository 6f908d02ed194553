"""fit --sums and refit, as a user calls them, against a fit to all images."""

import shutil

import numpy as np
import pytest
from pictures import draw_image, write_image

import adhelpers as ad
from adhelpers import edge, export
from adhelpers.cli import main

OPTIONS = ["--weights", "none", "--input_size", "64"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of old images, of new ones with a copy of an old one, and of all."""
    root = tmp_path_factory.mktemp("refit")
    for i in range(30):
        write_image(root / ("old" if i < 18 else "new") / f"{i:02}.png", draw_image(i))
    shutil.copytree(root / "old", root / "all")
    shutil.copytree(root / "new", root / "all", dirs_exist_ok=True)
    shutil.copy(root / "old" / "03.png", root / "new" / "again.png")
    return root


@pytest.fixture(scope="module", params=["pooled", "local", "both"])
def fitted(request, folders):
    path = folders / f"{request.param}.tflite"
    words = [*OPTIONS, "--detector", request.param, "-o"]
    assert main(["fit", str(folders / "old"), *words, str(path), "--sums"]) == 0
    assert main(["fit", str(folders / "all"), *words, str(path.with_suffix(".all.tflite"))]) == 0
    return path


def distances(path, image) -> np.ndarray:
    return np.array(list(edge.Detector(path).score(image)[1].values()))


def test_a_refit_measures_as_a_fit_to_all_images_and_leaves_copies_out(fitted, folders, capsys):
    new = folders / "new.tflite"
    assert main(["refit", str(fitted), str(folders / "new"), "-o", str(new)]) == 0
    said = capsys.readouterr().out
    assert "1 images were there already" in said and "12 of the images are new" in said
    for i in (5, 77):
        np.testing.assert_allclose(
            distances(new, draw_image(i)),
            distances(fitted.with_suffix(".all.tflite"), draw_image(i)),
            rtol=1e-4,
        )
    record, parent = edge.Detector(new).record, edge.Detector(fitted)
    (change,) = record["history"]
    assert record["n_train"] == 30 and change["n_train_before"] == 18 and change["images"] == 12
    assert change["threshold_before"] == parent.threshold
    kept = export.read_sums(new.with_suffix(".sums.npz"), new.read_bytes())
    assert len(kept.digests) == 30
    assert record["threshold"] == pytest.approx(
        np.quantile(kept.detector.combined(kept.detector.held_out_distances_), 0.95)
    )
    assert main(["refit", str(new), str(folders / "all"), "-o", str(folders / "x.tflite")]) == 2
    assert "there is no new image" in capsys.readouterr().err


def test_sums_go_with_their_detector_also_after_a_recalibration(fitted, folders, capsys):
    new, other = folders / "recalibrated.tflite", folders / "other.tflite"
    words = ["--threshold", "quantile", "-o"]
    assert main(["recalibrate", str(fitted), str(folders / "new"), *words, str(new)]) == 0
    sums = ["--sums", str(fitted.with_suffix(".sums.npz"))]
    for detector, code in ((new, 0), (fitted.with_suffix(".all.tflite"), 2)):
        call = ["refit", str(detector), str(folders / "new"), *sums, "-o", str(other)]
        assert main(call) == code
    error = capsys.readouterr().err
    assert "sums of another detector" in error and error.count("\n") == 1
    changes = edge.Detector(other).record["history"]
    assert [x["what"].partition(":")[0] for x in changes] == ["recalibrate", "refit"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "cut off"),
        (lambda path: path.write_bytes(b""), "cut off"),
    ],
)
def test_sums_that_are_not_whole_are_one_line(fitted, folders, tmp_path, capsys, damage, words):
    path = tmp_path / "s.npz"
    shutil.copy(fitted.with_suffix(".sums.npz"), path)
    damage(path)
    call = ["refit", str(fitted), str(folders / "new"), "--sums", str(path)]
    assert main([*call, "-o", str(tmp_path / "x.tflite")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "x.tflite").exists()


def test_what_cannot_be_refitted_is_refused_before_the_work(folders, tmp_path, capsys):
    call = ["fit", str(folders / "old"), *OPTIONS, "--sums", "-o", str(tmp_path / "x.tflite")]
    for more, words in (
        (["--augment", "flips"], "refit has no --augment"),
        (["--tied_weight", "auto"], "give tied_weight a number"),
        (["--scheduler", "local:2"], "--scheduler keeps its sums in --folder"),
    ):
        assert main([*call, *more]) == 2
        assert words in capsys.readouterr().err


def test_a_model_at_hand_extracts_what_its_extractor_did(folders, small_b0_model):
    extract = ad.Extractor(weights="none", engine="tflite", input_size=64)
    again = ad.Extractor.of_model(extract.model, extract.origin)
    samples, _ = ad.datasets.list_images([folders / "new"])
    one, other = extract(samples), again(samples)
    assert one.origin == other.origin
    for name, x in one.levels.items():
        np.testing.assert_array_equal(x, other.levels[name])
