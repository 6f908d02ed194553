"""The figures of the notebooks on int8 and on heat maps show the numbers they are given."""

import numpy as np
import pytest

from adhelpers import teaching


def test_the_operators_are_counted(small_b0_model):
    counts = teaching.operators(small_b0_model)
    assert counts["DEPTHWISE_CONV_2D"] == 16  # one in each block of EfficientNet-B0
    assert counts["MEAN"] == 16 + 9  # squeeze-and-excite, and the pooling of the levels
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_curves_rise_and_have_a_floor():
    figure = teaching.sorted_curves({"a": np.array([3.0, 0.0, 1.0])}, "q", "channel", "title")
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [3e-6, 1, 3])


def test_a_marked_line_lies_off_the_frame():
    figure = teaching.sorted_curves({"a": np.array([1.0, 9.0])}, "q", "channel", "", ("one", 1))
    assert figure.axes[0].get_ylim()[0] == 0.5


def test_scores_are_drawn_by_label():
    labels, scores = np.array([0, 1, 0]), np.array([1.0, 9.0, 2.0])
    figure = teaching.decisions(
        {"one": (labels, scores, 5.0), "two": (labels, scores, 7.0)}, "", ""
    )
    for axes, threshold in zip(figure.axes, (5.0, 7.0), strict=True):
        normal, anomalous, line = axes.get_lines()[:3]
        assert normal.get_xdata().tolist() == [1, 2]
        assert anomalous.get_xdata().tolist() == [9]
        assert list(line.get_xdata()) == [threshold, threshold]


def test_a_scale_of_its_own_and_one_by_normal_images():
    heats = [np.array([[1.0, -3.0]]), np.array([[8.0, 0.0]])]
    pictures = [np.zeros((4, 8, 3), np.uint8)] * 2
    figure = teaching.scales(pictures, heats, ["a", "b"], "title", reach=4.0)
    shown = [axes.images[0] for axes in figure.axes[2:6]]
    assert [image.get_clim() for image in shown] == [(-3, 3), (-8, 8), (-2, 2), (-2, 2)]
    assert shown[3].get_array().tolist() == [[2, 0]]
    with pytest.raises(ValueError, match="shorter|longer"):
        teaching.scales(pictures, heats, ["a"], "title", 4.0)


def test_what_pooling_leaves_is_drawn_as_multiples_of_normal_images():
    rows = {"here": (np.array([1.0, 2.0, 3.0]), 8.0), "mean": (np.array([10.0, 30.0]), 22.0)}
    image, heat = np.zeros((8, 8, 3), np.uint8), np.arange(12.0).reshape(3, 4)
    figure = teaching.dilution(image, heat, (2, 1), rows, "title")
    figure.canvas.draw()
    _, middle, right = figure.axes
    assert middle.patches[0].get_xy() == (0.5, 1.5)  # round the position in row 2, column 1
    drawn = [line.get_xdata().tolist() for line in right.lines[:4]]
    assert drawn == [[0.5, 1, 1.5], [4], [0.5, 1.5], [1.1]]
    assert [words.get_text() for words in right.texts] == ["4.0", "1.1"]
    assert [label.get_text() for label in right.get_yticklabels()] == ["here", "mean"]
