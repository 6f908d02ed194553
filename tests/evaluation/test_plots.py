import os
import warnings

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pictures import draw_image, write_image

from adhelpers import images
from adhelpers.evaluation import heat_map_plots, lettering, plots
from adhelpers.evaluation.explain import HeatMap
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
    lowest, highest = ["good\n1.0", "good\n2.0"], ["spot\n10.0", "good\n9.0"]
    missed, false_alarms = ["hole\n2.0", "spot\n3.0"], ["good\n9.0"]
    assert _words(figure) == [
        *("lowest scores", *lowest, "highest scores", *highest),
        *("missed anomalies", *missed, "false alarms", *false_alarms),
    ]


def test_each_example_stands_below_its_words(scored):
    paths, scores, kinds = scored
    (axes,) = plots.examples(paths, scores, kinds, threshold=5.5, columns=2).axes
    below = {tuple(image.get_extent()[::3]): image.get_array() for image in axes.images}
    assert len(below) == 7
    above = {text.get_text(): text.get_position() for text in axes.texts}
    for words, i in {"good\n1.0": 0, "hole\n2.0": 11, "spot\n10.0": 9}.items():
        x, y = above[words]
        shown = below[x - 128, y + 6]
        np.testing.assert_array_equal(shown, images.to_square(images.read(paths[i]), 256))


def _words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_examples_of_normal_images_alone(scored):
    paths, scores, _ = scored
    figure = plots.examples(paths[:6], scores[:6], ["good"] * 6, threshold=100.0)
    assert len(_words(figure)) == 2 * (1 + 5)  # no rows for mistakes


def test_figures_are_written_and_the_style_is_put_back(scored, tmp_path):
    _, scores, kinds = scored
    before = rcParams["axes.edgecolor"]
    plots.save(plots.score_histogram(scores, kinds), tmp_path / "h.png")
    assert rcParams["axes.edgecolor"] == before
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_without_anomalies_is_an_error(scored):
    with pytest.raises(UserError, match="no anomalous images"):
        plots.roc({"a": (np.zeros(3), np.arange(3))}, "title")


_NAMES = ["検査", "cost_$5_to_$9", "$x^2$", "_hidden", "😀 a", "a\x1b[2J\tb", "\\$", "x" * 255]
_NAMES.append(os.fsdecode(b"Pr\xfcfling"))


@pytest.mark.parametrize("name", _NAMES)
def test_any_name_is_drawn_without_a_warning(scored, tmp_path, name):
    paths, scores, kinds = scored
    kinds = [name if kind == "spot" else kind for kind in kinds]
    labels = np.array([kind != "good" for kind in kinds])
    image, mask = draw_image(0), np.zeros((64, 64), bool)
    example = heat_map_plots.Example(image, np.ones((64, 64)), mask, f"{name}\nscore 5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = [
            plots.roc({name: (labels, scores)}, name, name),
            plots.score_histogram(scores, kinds, 5.5, name, name),
            plots.examples(paths, scores, kinds, 5.5, name, name, columns=2),
            heat_map_plots.gallery({name: [example]}, name, name),
        ]
        for i, figure in enumerate(figures):
            plots.save(figure, tmp_path / f"{i}.png", dpi=20)
    assert len(figures[0].axes[0].get_legend().get_texts()) == 2


def test_a_dollar_is_drawn_as_a_dollar():
    def pixels(text, **options):
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, text, **options)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    name = "a $5 b $9 c"
    assert np.array_equal(pixels(lettering.drawn(name)), pixels(name, parse_math=False))


def test_letters_that_no_font_has_are_spelled_out_and_others_stay(monkeypatch):
    monkeypatch.setattr(lettering, "_letters", lambda families: set(range(32, 256)))
    assert lettering.drawn("Prüfling 検\n查") == "Prüfling \\u691c\n\\u67e5"
    assert lettering.drawn("abcdefghij", 7) == "ab...ij"


def heat_map(n_levels: int) -> HeatMap:
    levels = {f"level_{i}": np.full((4, 4), i - 1.5) for i in range(1, n_levels + 1)}
    distances = dict.fromkeys(levels, 1.0)
    return HeatMap(levels, distances, float(n_levels), (64, 64), (0, 0, 64, 64))


@pytest.mark.parametrize("n_levels", [1, 4, 8, 9])
def test_every_level_has_a_panel_after_that_of_all_levels(n_levels):
    figure = heat_map_plots.explanation(draw_image(0), heat_map(n_levels))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    levels = [f"level_{i}: 1.0" for i in range(1, n_levels + 1)]
    assert titles == ["image", f"all levels: {n_levels:.1f}", *levels]


def test_heat_is_drawn_by_what_normal_images_reach():
    normal = [np.full((8, 8), -2.0), np.full((8, 8), 5.0), np.zeros((8, 8))]
    normal[1][0, 0] = -1.0
    assert heat_map_plots.reach(normal) == 2.0
    image, mask = draw_image(0), np.zeros((64, 64), bool)
    example = heat_map_plots.Example(image, np.full((64, 64), -7.0), mask, "")
    figure = heat_map_plots.gallery({"one": [example]}, reaches={"one": 2.0})
    assert figure.axes[1].images[1].get_clim() == (-4, 4)
    reaches = heat_map_plots.reaches({"level_1": np.stack([-np.ones((4, 4))] * 3)}, 64)
    assert reaches == {"level_1": 1.0, "all levels": 1.0}
    reaches["all levels"] = 3.0
    figure = heat_map_plots.explanation(image, heat_map(1), reaches=reaches)
    shown = [axes.images[1].get_clim() for axes in figure.axes if len(axes.images) == 2]
    assert shown == [(-6, 6), (-2, 2)]
