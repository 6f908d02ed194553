"""What the notebooks share: finding data, figures, and showing them with words."""

import base64
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

import adhelpers as ad
from adhelpers import teaching
from adhelpers.evaluation import plots


def axes_of(figure: Figure) -> list:
    figure.canvas.draw()  # what cannot be drawn fails here
    return [axes for axes in figure.axes if axes.axison]


# --- data ---------------------------------------------------------------------------------------


def test_the_embedded_data_go_into_the_checkout_that_the_notebook_lies_in(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/README.md").write_text("Data sets")
    (tmp_path / "notebooks/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks/mine")
    drawn = []
    monkeypatch.setattr(
        teaching, "load_synthetic", lambda category, root: drawn.append((category, root))
    )
    teaching.images_of("synthetic", "weave")
    monkeypatch.chdir(tmp_path.parent)
    teaching.images_of("synthetic", "gear")
    here = tmp_path.parent
    assert drawn == [
        ("weave", tmp_path / "data/synthetic"),
        ("gear", here / "data/synthetic"),
    ]


def test_a_folder_of_ones_own(small_root):
    assert len(teaching.images_of(small_root, "plate").train) == 6
    with pytest.raises(ad.UserError, match="unknown category of .* .screw.; choose one of: plate"):
        teaching.images_of(small_root, "screw")


# --- pictures -----------------------------------------------------------------------------------


def test_a_gallery_of_colour_pictures_and_maps():
    pictures = [np.zeros((8, 8, 3), np.uint8), np.arange(16.0).reshape(4, 4), np.ones((2, 2))]
    figure = teaching.gallery(pictures, ["a", "b", "c"], "three", columns=2)
    figure.canvas.draw()
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", ""]
    assert not any(axes.axison for axes in figure.axes)
    assert figure.get_suptitle() == "three"


def test_an_outline_goes_round_the_mask_and_leaves_the_image():
    image = np.full((64, 64, 3), 100, np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    outlined = teaching.outlined(image, mask)
    changed = (outlined != image).any(axis=2)
    assert (image == 100).all()
    assert changed[20, 20:40].all()
    assert not changed[25:35, 25:35].any()
    assert not changed[:17].any()


# --- diagrams -----------------------------------------------------------------------------------


def test_strips_have_a_row_and_a_mean_for_each_group():
    figure = teaching.strips({"train: good": np.arange(5.0), "hole": np.ones(3)}, "grey", "title")
    (axes,) = axes_of(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["train: good", "hole"]
    assert (axes.get_xlabel(), axes.get_title()) == ("grey", "title")
    colours = [axes.lines[i].get_color() for i in (0, 2)]
    assert colours == [plots.NORMAL_COLOUR, plots.ANOMALY_COLOUR]
    assert axes.lines[1].get_xdata() == [2.0]


def test_strips_on_a_logarithmic_axis():
    figure = teaching.strips({"good": np.array([80.0, 90.0, 1000.0])}, "score", "title", log=True)
    (axes,) = axes_of(figure)
    assert axes.get_xscale() == "log"
    assert {"100", "200", "500", "1000"} <= {x.get_text() for x in axes.get_xticklabels()}


def test_bars_stand_for_the_values():
    series = {"one": {"level_1": 1.0, "sum": 3.0}, "two": {"level_1": 2.0, "sum": 4.0}}
    (axes,) = axes_of(teaching.bars(series, "area, %", "title", ("guessing", 50)))
    assert [bar.get_height() for bar in axes.patches] == [1.0, 3.0, 2.0, 4.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["level 1", "sum"]
    assert axes.get_ylabel() == "area, %"
    assert axes.lines[0].get_ydata()[0] == 50


def test_scatters_have_a_panel_for_each_view():
    points = np.random.default_rng(0).normal(size=(3, 5, 2))
    figure = teaching.scatters({"early": tuple(points), "late": tuple(points)}, ("x", "y"), "title")
    panels = axes_of(figure)
    assert [axes.get_title() for axes in panels] == ["early", "late"]
    assert all(len(axes.collections) == 3 for axes in panels)


def test_ellipses_lie_at_their_distances():
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    mean = np.array([1.0, -1.0])
    points = np.random.default_rng(0).normal(size=(9, 2))
    panel = (points, mean, covariance, {"A": np.array([9.0, 9.0])})
    (axes,) = axes_of(teaching.ellipses({"panel": panel}, ("x", "y"), "title"))
    for distance, line in zip((1, 2, 3), axes.lines[:3], strict=True):
        offset = line.get_xydata() - mean
        squared = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
        assert np.allclose(squared, distance**2)
    assert axes.get_ylim()[1] > 9


def test_spectra_are_drawn_where_variances_are_zero():
    curves = {"training": np.array([10.0, 1.0, 0.0]), "new": np.array([9.0, 2.0, 1.0])}
    (axes,) = axes_of(teaching.spectra(curves, "title", n_shown=3))
    assert axes.lines[0].get_ydata()[2] == pytest.approx(1e-5)
    assert axes.texts[0].get_text() == "0, or too small to draw"
    assert axes.get_yscale() == "log"


# --- showing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "kind"), [(False, "image/png"), (True, "image/jpeg")])
def test_a_picture_is_shown_with_its_words(noise, kind):
    pixels = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    figure = teaching.gallery([pixels if noise else pixels * 0], [""], "one", 1, width=6)
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            plots.show(figure, alt='Noise,\n  or "nothing".')
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.data["text/plain"] == 'Noise, or "nothing".'
    shown = ElementTree.fromstring(output.data["text/html"].replace(">", "/>"))
    assert shown.get("alt") == 'Noise, or "nothing".'
    start, _, data = shown.get("src").partition(",")
    assert start == f"data:{kind};base64"
    encoded = np.frombuffer(base64.b64decode(data), np.uint8)
    assert cv2.imdecode(encoded, cv2.IMREAD_COLOR) is not None


def test_in_a_script_a_picture_is_saved_and_nothing_is_lost(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plots, "_in_notebook", lambda: False)
    (tmp_path / "figure_1.png").write_bytes(b"of somebody else")
    for _ in range(2):
        plots.show(teaching.strips({"good": np.array([1.0, 2.0])}, "x", "title"), alt="Two\nmarks.")
    assert capsys.readouterr().out == "figure_2.png: Two marks.\nfigure_3.png: Two marks.\n"
    assert (tmp_path / "figure_1.png").read_bytes() == b"of somebody else"
    assert cv2.imread(str(tmp_path / "figure_3.png")).min() < 100


@pytest.mark.parametrize("first", ["", "import IPython\n"])
def test_a_python_program_is_no_notebook(first):
    program = f"{first}from adhelpers import plots\nprint(plots._in_notebook())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_curves_are_drawn_with_what_they_are_compared_with():
    x = np.array([0.0, 1.0, 2.0])
    lines = {"rising": (x, x), "falling": (x, 2 - x)}
    figure = teaching.curves(lines, ("time", "sum"), "title", {"limit": 1.5}, ("change", 0.5))
    (axes,) = axes_of(figure)
    assert [list(line.get_ydata()) for line in axes.lines[:3]] == [
        [0, 1, 2],
        [2, 1, 0],
        [1.5] * 2,
    ]
    assert axes.lines[3].get_xdata() == [0.5, 0.5]
    names = [words.get_text() for words in axes.get_legend().get_texts()]
    assert names == ["rising", "falling", "limit", "change"]


def test_more_images_are_drawn_but_a_folder_has_those_that_it_has(tmp_path):
    drawn = teaching.many_images_of("synthetic", "gear", tmp_path / "drawn", n_normal=50)
    assert len(drawn.train) == 50
    assert drawn.train.paths[0].is_relative_to(tmp_path)
    again = teaching.many_images_of(tmp_path / "drawn", "gear", tmp_path / "empty", n_normal=9)
    assert again.train.paths == drawn.train.paths
    assert not (tmp_path / "empty").exists()


def test_intervals_are_drawn_from_end_to_end():
    rows = {"a": (80.0, 70.0, 95.0), "b": (50.0, 40.0, 60.0)}
    (axes,) = axes_of(teaching.intervals(rows, "area", "title", ("guessing", 50)))
    assert [line.get_xdata().tolist() for line in axes.lines[:2]] == [[70, 95], [40, 60]]
    assert axes.lines[2].get_xdata().tolist() == [80, 50]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row on top


def test_an_exported_picture_has_its_words():
    """In a real export by nbconvert, as a reader on the web gets it."""
    nbconvert = pytest.importorskip("nbconvert")
    path = Path(__file__).parents[2] / "notebooks" / "05_evaluation.ipynb"
    page, _ = nbconvert.HTMLExporter().from_filename(str(path))
    images = re.findall("<img[^>]*>", page)
    alts = [re.search('alt="([^"]*)"', image)[1] for image in images]
    assert len(alts) == 2
    assert all(len(alt) > 20 and "No description" not in alt for alt in alts)
