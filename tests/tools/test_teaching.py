"""The teacher's material: figures, pages in the Chromium of this machine, prints, and agendas."""

import ast
import re
from datetime import datetime, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import browsers
import pytest

import adhelpers as ad
from adhelpers import cli
from tools.notebooks import layout

bs4 = pytest.importorskip("bs4", reason="it comes with the extra site")
for other in ("markdown_it", "mathjax", "playwright"):
    pytest.importorskip(other, reason="it comes with the extra site")
build, figures, libraries, pages, printing = (
    import_module(f"tools.teaching.{name}")
    for name in ("build", "figures", "libraries", "pages", "printing")
)

TEACHING = Path(__file__).parents[2] / "docs" / "teaching.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The material, built; without reveal.js, which npm fetches once, skipped."""
    try:
        libraries.reveal()
    except ad.UserError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("teaching")
    assert build.main([str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def slides(folder):
    tree = bs4.BeautifulSoup((folder / "slides.html").read_bytes(), "html.parser")
    return tree.select(".slides > section")


def pages_of(pdf: Path) -> int:
    """Return the number of pages of a PDF that Chromium wrote."""
    return len(re.findall(rb"/Type /Page\b(?!s)", pdf.read_bytes()))


# --- figures ------------------------------------------------------------------------------------


def test_a_notebooks_figure_comes_with_its_own_alt_text():
    path = layout.paths(["03"])[0]
    figure = figures.find(path, "A narrow cloud and three ellipses")
    assert figure.content.startswith(b"\x89PNG") and figure.kind == "image/png"
    assert (
        figure.alt
        == "A narrow cloud and three ellipses; A lies on the second ellipse, B far outside."
    )


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (
            "notebooks/03_gaussian_mahalanobis.ipynb",
            "A wide cloud",
            "0 figures begin.*A narrow cloud",
        ),
        ("notebooks/01_dataset.ipynb", "", "0 figures begin"),
        ("docs/images/roc.png", "ROC", "too short"),
        ("docs/images/gone.png", "Something that is not there", "no such file"),
    ],
)
def test_a_figure_that_is_not_there_or_says_nothing_is_refused(name, words, said):
    with pytest.raises(ad.UserError, match=said):
        figures.find(layout.ROOT / name, words)


def test_a_missing_figure_ends_with_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "slides.md").write_text("## One\n\n![A picture that is nowhere](gone.png)\n")
    monkeypatch.setattr(pages, "SOURCES", tmp_path)
    monkeypatch.setattr(libraries, "reveal", lambda: ("", ""))
    (tmp_path / "slides.css").write_text("")
    assert build.main([str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "gone.png" in error
    assert not (tmp_path / "out").exists()


# --- what was built -----------------------------------------------------------------------------


def test_each_slide_has_a_title_a_source_and_notes(slides):
    assert 18 <= len(slides) <= 28
    for slide in slides:
        assert len(slide.select("h1, h2")) == 1
        assert slide.find("footer").text.strip() and slide.find("aside").text.strip(), slide.h2


def test_each_figure_is_in_the_page_and_has_alt_text(folder, slides):
    named = (pages.SOURCES / "slides.md").read_text("utf-8").count("![")
    shown = [image for slide in slides for image in slide.select("img")]
    assert len(shown) == named > 10
    for name in build.MATERIAL:
        tree = bs4.BeautifulSoup((folder / f"{name}.html").read_bytes(), "html.parser")
        for image in tree.select("img"):
            assert len(image["alt"]) >= figures.MIN_ALT
            assert image["src"].startswith("data:image/")


def words_of(notebook) -> str:
    """Return what a notebook says and prints."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join([cell.source for cell in notebook.cells] + printed)


def test_each_percentage_on_a_slide_is_in_the_notebook_that_it_names(slides):
    found = 0
    for slide in slides:
        named = re.search(r"notebooks? (\d)(?: and (\d))?", slide.find("footer").text)
        if named:
            paths = layout.paths([f"0{number}" for number in named.groups() if number])
            text = "\n".join(words_of(layout.read(path)) for path in paths)
            for share in re.findall(r"([\d.]+) %", slide.select_one(".slide").text):
                pattern = rf"(?<![\d.]){re.escape(share)}(\.0)? ?%"
                assert re.search(pattern, text), (slide.find("footer").text, share)
                found += 1
    assert found > 20


def test_the_cheat_sheet_has_every_command_and_no_other(folder):
    tree = bs4.BeautifulSoup((folder / "cheat-sheet.html").read_bytes(), "html.parser")
    table = tree.find("h2", string="Commands").find_next("table")
    rows = [row.find("code").text for row in table.select("tbody tr")]
    assert {row.split()[0] for row in rows} == set(cli.COMMANDS)


def test_the_cheat_sheets_python_runs(small_root, capsys):
    code = re.search(r"```\n(.+?)```", (pages.SOURCES / "cheat-sheet.md").read_text("utf-8"), re.S)[
        1
    ]
    code = code.replace('"FOLDER", "NAME"', f'"{small_root.as_posix()}", "plate"')
    exec(code.replace('"imagenet"', '"none"'))
    area, threshold = map(float, capsys.readouterr().out.split())
    assert 0 <= area <= 1 and threshold > 0


# --- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium() as browser:
        yield browser


@pytest.mark.parametrize("name", build.MATERIAL)
def test_a_page_loads_from_itself_alone(chromium, folder, name):
    page, faults = chromium.new_page(), []
    page.on("console", lambda m: m.type == "error" and faults.append(m.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: r.url.startswith(("data:", "file:")) or faults.append(r.url))
    page.goto((folder / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")
    page.close()
    assert not faults


def test_every_slide_fits_and_formulas_are_drawn(chromium, folder, slides):
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.goto((folder / "slides.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    for number in range(len(slides)):
        page.evaluate(f"Reveal.slide({number})")
        slide = page.locator("section.present .slide")
        over = slide.evaluate(
            "x => [x.scrollWidth - x.clientWidth, x.scrollHeight - x.clientHeight]"
        )
        assert max(over) <= 0, slide.locator("h1, h2").inner_text()
        for image in slide.locator("img").all():
            assert image.bounding_box()["width"] > 280
    drawn = page.locator(".slide .math mjx-container svg").count()
    assert drawn == page.locator(".slide .math").count() > 3
    assert page.locator("mjx-merror").count() == 0
    page.close()


def test_prints_have_the_pages_that_they_should_have(folder, slides):
    if printing.program() is None:
        pytest.skip("no browser on this machine")
    assert pages_of(folder / "cheat-sheet.pdf") == 2
    assert pages_of(folder / "feedback.pdf") == 1
    assert pages_of(folder / "slides.pdf") == len(slides)


def test_without_a_browser_the_prints_are_left_out(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing, "program", lambda: None)
    written = build.build(tmp_path)
    assert sorted(path.suffix for path in written) == [".html"] * 3
    assert capsys.readouterr().out.startswith("no PDFs: none of chromium")


# --- what docs/teaching.md says -----------------------------------------------------------------


def agendas() -> list[list[tuple[datetime, int]]]:
    """Return the agendas: when each item begins, and its minutes (the end has 0)."""
    found = re.findall(r"\| from \|.+\n\|[-|]+\n((?:\|.+\n)+)", TEACHING.read_text("utf-8"))
    rows = [[line.split("|")[1:3] for line in table.splitlines()] for table in found]
    clock = "%H:%M"
    return [
        [(datetime.strptime(a.strip(), clock), int(b.strip() or 0)) for a, b in t] for t in rows
    ]


def test_the_clock_times_of_agendas_add_up():
    long = {180, 450, 90}
    assert {sum(minutes for _, minutes in agenda) for agenda in agendas()} == long
    for agenda in agendas():
        for (start, minutes), (following, _) in pairwise(agenda):
            assert start + timedelta(minutes=minutes) == following


def test_slides_have_the_numbers_that_the_agendas_give_them(slides):
    titles = [slide.select_one("h1, h2").text for slide in slides]
    expected = {7: "Preprocessing", 8: "Which one", 12: "Place your bets", 13: "The ROC curve"}
    expected |= {15: "A threshold", 17: "int8", 19: "Fit on", 20: "A Gaussian at each"}
    expected |= {22: "Your own", 24: "Your turn", 25: "In your pocket", 26: "Traps"}
    for number, words in expected.items():
        assert titles[number - 1].startswith(words)


@pytest.mark.parametrize("path", layout.paths(), ids=lambda path: path.name)
def test_no_cell_needs_an_exercise(path):
    answers, used = set(), set()
    for cell in layout.read(path).cells:
        if cell.cell_type != "code" or layout.INSTALL in layout.tags(cell):
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        if {layout.EXERCISE, layout.SOLUTION} & set(layout.tags(cell)):
            answers |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        else:
            used |= {node.id for node in nodes if isinstance(node, ast.Name)}
    assert answers and not answers & used
