import numpy as np
import pytest
from matplotlib import rcParams
from pictures import draw_image, write_image

from adhelpers.evaluation import plots
from adhelpers.ground import UserError


@pytest.fixture
def scored(tmp_path):
    kinds = ["good"] * 6 + ["spot"] * 4 + ["hole"] * 2
    paths = [str(write_image(tmp_path / f"{i}.png", draw_image(i))) for i in range(12)]
    return paths, np.array([1.0, 2, 3, 4, 5, 9, 3, 7, 8, 10, 6, 2]), kinds


def test_roc_draws_each_curve_with_its_area(scored):
    _, scores, kinds = scored
    labels = np.array([kind != "good" for kind in kinds])
    figure = plots.roc({"a": (labels, scores), "b": (labels, -scores)}, "title", "weights: none")
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["a: 69.4 %", "b: 30.6 %", "chance: 50.0 %"]
    x, y = axes.lines[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(25 / 36)
    assert "weights: none" in axes.get_title()


def test_histogram_counts_every_image(scored):
    _, scores, kinds = scored
    figure = plots.score_histogram(scores, kinds, threshold=5.5)
    upper, lower = figure.axes
    assert sum(patch.get_height() for patch in upper.patches) == 12
    assert [text.get_text() for text in lower.get_yticklabels()] == ["good", "hole", "spot"]


def test_examples_show_the_worst_mistakes_first(scored):
    paths, scores, kinds = scored
    figure = plots.examples(paths, scores, kinds, threshold=5.5, columns=2)
    titles = [axes.get_title().replace("\n", " ") for axes in figure.axes]
    lowest, highest = ["good 1.0", "good 2.0"], ["spot 10.0", "good 9.0"]
    missed, false_alarms = ["hole 2.0", "spot 3.0"], ["good 9.0", ""]
    assert titles == lowest + highest + missed + false_alarms


def test_examples_of_normal_images_alone(scored):
    paths, scores, _ = scored
    figure = plots.examples(paths[:6], scores[:6], ["good"] * 6, threshold=100.0)
    assert len(figure.axes) == 10  # no rows for mistakes


def test_figures_are_written_and_the_style_is_put_back(scored, tmp_path):
    _, scores, kinds = scored
    before = rcParams["axes.edgecolor"]
    plots.save(plots.score_histogram(scores, kinds), tmp_path / "h.png")
    assert rcParams["axes.edgecolor"] == before
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_without_anomalies_is_an_error(scored):
    with pytest.raises(UserError, match="no anomalous images"):
        plots.roc({"a": (np.zeros(3), np.arange(3))}, "title")
