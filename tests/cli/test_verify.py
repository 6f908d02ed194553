"""References: the same detector scores the same, another one is told, by command and by edge.py."""

import io

import numpy as np
import pytest
from networks import small_backbone
from pictures import draw_image, write_image
from screens import assert_one_line

from adhelpers import backbones, edge
from adhelpers.cli import main

pytestmark = pytest.mark.trouble


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A detector with its reference of four images."""
    folder = tmp_path_factory.mktemp("verify")
    for i in range(8):
        write_image(folder / f"good/{i}{('.png', '.jpg')[i % 2]}", draw_image(i, size=50))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            backbones, "load_backbone", lambda name, weights, size, seed: small_backbone()
        )
        command = ["fit", str(folder / "good"), "--weights", "none", "--detector", "pooled"]
        assert main([*command, "--reference", "4", "-o", str(folder / "a.tflite")]) == 0
        assert main([*command, "--quantile", "0.9", "-o", str(folder / "b.tflite")]) == 0
    return folder


def members(written) -> dict:
    with np.load(written / "a.reference.npz") as file:
        return dict(file)


def both(written, reference) -> list[int]:
    detector = str(written / "a.tflite")
    return [
        main(["verify", detector, "--reference", str(reference)]),
        edge.main([detector, "--verify", str(reference)]),
    ]


def test_the_same_machine_scores_the_same(written, capsys):
    assert both(written, written / "a.reference.npz") == [0, 0]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 images, largest relative difference 0.0e+00")
    assert [line.split()[0] for line in lines[1:5]] == ["0.png", "1.jpg", "2.png", "3.jpg"]


def test_other_scores_are_told(written, tmp_path, capsys):
    parts = members(written)
    parts["scores"][2] *= 1.01
    np.savez(tmp_path / "r.npz", **parts)
    assert both(written, tmp_path / "r.npz") == [2, 2]
    captured = capsys.readouterr()
    assert captured.err.count("above 0.001: set the threshold by normal images") == 2
    assert captured.out.count("4 images, largest relative difference 9.9e-03") == 2
    command = ["verify", str(written / "a.tflite"), "--reference", str(tmp_path / "r.npz")]
    assert main([*command, "--tolerance", "0.02"]) == 0


def test_the_reference_of_another_detector_is_refused(written, capsys):
    command = ["verify", str(written / "b.tflite"), "--reference"]
    assert main([*command, str(written / "a.reference.npz")]) == 2
    assert_one_line(capsys, "the reference is of another detector (SHA-256")


def damaged(written) -> dict[str, bytes]:
    """Return kinds of damage of a reference."""
    whole, parts = (written / "a.reference.npz").read_bytes(), members(written)

    def changed(**more) -> bytes:
        file = io.BytesIO()
        np.savez(file, **{**parts, **more})
        return file.getvalue()

    ends = parts["ends"]
    return {
        "empty": b"",
        "text": b"no reference",
        "half": whole[: len(whole) // 2],
        "a byte": whole[:600] + bytes([whole[600] ^ 1]) + whole[601:],
        "no images": changed(ends=ends[:0], data=parts["data"][:0]),
        "ends beyond": changed(ends=ends + 10**9),
        "ends back": changed(ends=ends[::-1].copy()),
        "negative ends": changed(ends=-ends),
        "fewer scores": changed(scores=parts["scores"][:2]),
        "names of another type": changed(names=np.array([1, 2])),
        "no scores": changed(scores=np.array(["a"] * 4)),
        "NaN": changed(scores=np.full(4, np.nan)),
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("empty", "text", "half", "a byte", "no images", "ends beyond", "ends back"),
        *("negative ends", "fewer scores", "names of another type", "no scores", "NaN"),
    ],
)
def test_damage_is_one_line(kind, written, tmp_path, capsys):
    (tmp_path / "r.npz").write_bytes(damaged(written)[kind])
    command = ["verify", str(written / "a.tflite"), "--reference", str(tmp_path / "r.npz")]
    assert main(command) == 2
    assert_one_line(capsys, "")
    assert edge.main([str(written / "a.tflite"), "--verify", str(tmp_path / "r.npz")]) == 2
    assert_one_line(capsys, "edge.py: ")


def test_a_reference_that_is_not_there(written, capsys):
    assert both(written, written / "none.npz") == [2, 2]
    assert capsys.readouterr().err.count("\n") == 2
