"""Tables of the docs that are filled in from what commands print."""

import pytest

from tools.tables import pages, recipes

PAGE = """# A page
Words, and 12.5 in a sentence.

<!-- table: areas -->
| image AUROC | gear | screw, V2 | gear |
|---|---|---|---|
| **local** | **97.7** / 1.0 | 91.0 ± 0.2 | none |
| *again* | 82.0 | 3 | light |
| *again* | 83.0 | 4 | |
"""


def test_numbers_alone_are_replaced():
    cells = {
        ("local", "gear"): "98.1 / 1.0 / 7",
        ("again (2)", "gear"): "84.0",
        ("again", "gear (2)"): "light",
        ("local", "gear (2)"): "turns",
    }
    text, changes = pages.filled(PAGE, "areas", cells)
    assert text == PAGE.replace("97.7", "98.1").replace("83.0", "84.0").replace("none", "turns")
    assert changes == [
        "local, gear: **97.7** / 1.0 -> **98.1** / 1.0",
        "local, gear (2): none -> turns",
        "again (2), gear: 83.0 -> 84.0",
    ]
    assert pages.filled(text, "areas", cells) == (text, [])


def test_a_row_or_a_column_that_is_gone_is_an_error():
    with pytest.raises(KeyError, match="areas has no .*'wood'"):
        pages.filled(PAGE, "areas", {("local", "wood"): "1.0"})


def test_a_number_that_is_missing_is_an_error():
    with pytest.raises(ValueError, match="'98.0' has fewer numbers than"):
        pages.filled(PAGE, "areas", {("local", "gear"): "98.0"})


def test_what_is_printed_is_read_by_headings_and_first_cells():
    text = "# All\n\n## gear\n\n| | 1 |\n| --- | --- |\n| L2 | 0.5 |\n\n"
    text += "| wood | 1 |\n|---|---|\n| L2 | 2 |"
    assert pages.printed(text.partition("gear\n\n")[2])[""] == {("L2", "1"): "0.5"}
    assert pages.printed(text) == {"gear": {("L2", "1"): "0.5"}, "wood": {("L2", "1"): "2"}}


def test_every_table_has_its_place_and_every_place_its_table():
    names = [name for page in pages.pages() for name in pages.marked(page.read_text("utf-8"))]
    assert sorted(names) == sorted(recipes.TABLES)
