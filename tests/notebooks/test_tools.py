"""Running, writing and comparing notebooks, and the student edition."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tools.notebooks import derived, gate, layout, run, student, table

GITHUB = "https://github.com/owner/project"


def no_paths(monkeypatch, *paths):
    monkeypatch.setattr(layout, "paths", lambda names=(): list(paths))


# --- the notebooks themselves -------------------------------------------------------------------


@pytest.mark.parametrize("path", layout.paths(), ids=lambda path: path.stem)
def test_key_results_are_those_in_the_notebook(path):
    assert gate.compare([path], lax=True) == 0


def test_a_broken_helper_is_noticed(tmp_path, capfd):
    """The first notebook up to its first solution, with `Samples.labels` broken."""
    notebook = layout.read(layout.paths(["01"])[0])
    end = notebook.cells.index(layout.tagged(notebook, layout.SOLUTION)[0])
    broken = nbformat.v4.new_code_cell(
        "from adhelpers.datasets import Samples\n"
        "Samples.labels = property(lambda self: __import__('numpy').zeros(len(self), int))"
    )
    notebook.cells = [broken, *notebook.cells[: end + 1]]
    layout.write(notebook, tmp_path / "01.ipynb")
    assert gate.compare([tmp_path / "01.ipynb"], lax=True) == 1
    words = capfd.readouterr().out
    assert "1 failed, 6 passed" in words and "Cell outputs differ" in words
    assert "Right: 0.6." in words


def test_with_real_images_and_imagenet_weights(mvtec_root, v2b0_weights, tmp_path, monkeypatch):
    """Two parameters changed, as a reader does; their solutions are found right, too."""
    monkeypatch.setattr(run.os, "sched_setaffinity", lambda *_: None, raising=False)
    lines = [
        f"DATA, CATEGORY = {str(mvtec_root)!r}, 'toothbrush'",
        f"MODEL, WEIGHTS = 'efficientnetv2-b0', {str(v2b0_weights)!r}",
    ]
    assert run.main(["01", "03", "--output", str(tmp_path), "--set", *lines]) == 0
    for path in layout.paths(["01", "03"]):
        notebook = layout.read(tmp_path / path.name)
        solutions = layout.tagged(notebook, layout.SOLUTION)
        assert len(solutions) >= 2
        assert all(cell.outputs[0].text.startswith("Right") for cell in solutions)


def test_all_together_are_quick_and_small():
    measured = [layout.read(path).metadata["adhelpers"] for path in layout.paths()]
    assert all(row["seconds"] < 90 and row["memory_gb"] < 3 for row in measured)
    assert sum(row["seconds"] for row in measured) < 8 * 60


# --- comparing ----------------------------------------------------------------------------------


def test_stderr_and_times_are_not_compared_and_the_rest_is(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "import sys\nprint('5 images, 37 ms, 1,200 images/s')\nprint('now', file=sys.stderr)"
    )
    cell.execution_count = 1
    cell.outputs = [nbformat.v4.new_output("stream", text="5 images, 4.2 s, 9 images/s\n")]
    layout.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    assert gate.compare([tmp_path / "a.ipynb"], lax=False) == 0
    cell.outputs[0].text = "6 images, 4.2 s, 9 images/s\n"
    layout.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    assert gate.compare([tmp_path / "a.ipynb"], lax=False) == 1


# --- running and writing ------------------------------------------------------------------------


def test_a_run_is_written_in_the_same_bytes_twice(tmp_path, monkeypatch, capsys):
    source = (
        "import sys\nprint('one', flush=True)\nprint('noise', file=sys.stderr, flush=True)\n"
        "print('two')\nprint(LINE)"
    )
    cells = [
        nbformat.v4.new_code_cell("LINE = 1", metadata={"tags": [layout.PARAMETERS], "a": "b"}),
        nbformat.v4.new_code_cell(source, metadata={"execution": {"at": "noon"}}),
    ]
    path = tmp_path / "01_x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"z": 1}), path)
    no_paths(monkeypatch, path)
    monkeypatch.setattr(run.os, "sched_setaffinity", lambda *_: None, raising=False)
    for folder in ("one", "two"):
        assert run.main(["--output", str(tmp_path / folder), "--set", "LINE = 'set'"]) == 0
    one, two = ((tmp_path / folder / "01_x.ipynb").read_bytes() for folder in ("one", "two"))
    assert one == two
    notebook = layout.read(tmp_path / "one" / "01_x.ipynb")
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]
    assert [output.text for output in notebook.cells[1].outputs] == ["one\ntwo\nset\n"]
    assert sorted(notebook.metadata) == ["adhelpers", "kernelspec", "language_info"]
    assert notebook.cells[0].metadata == {"tags": [layout.PARAMETERS]}
    assert notebook.cells[1].metadata == {}
    assert "01_x.ipynb, stderr: noise" in capsys.readouterr().out


def test_a_solution_is_folded_with_its_output(small, tmp_path):
    layout.write(small, tmp_path / "01_small.ipynb")
    for cell in layout.tagged(layout.read(tmp_path / "01_small.ipynb"), layout.SOLUTION):
        assert cell.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, monkeypatch, capsys):
    cells = [nbformat.v4.new_code_cell("P = 1", metadata={"tags": [layout.PARAMETERS]})]
    path = tmp_path / "01_x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    no_paths(monkeypatch, path)
    monkeypatch.setattr(run.os, "sched_setaffinity", lambda *_: None, raising=False)
    assert run.main(["--output", str(tmp_path / "out"), "--set", "1 / 0"]) == 1
    assert not (tmp_path / "out").exists()
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_other_parameters_are_never_written_back():
    with pytest.raises(SystemExit, match="--output"):
        run.main(["--set", "DATA = 1"])


# --- what is derived ----------------------------------------------------------------------------


def test_solutions_come_from_the_exercises(small):
    first, _ = layout.tagged(small, layout.SOLUTION)
    assert first.source == (
        "# Solution\ndef accuracy(labels):\n    return np.mean(labels)\n\n\n"
        "q1.check(accuracy, data.labels)"
    )
    first.source = "edited"
    first.outputs[0].text = "kept"
    derived.refresh(small, "01_small.ipynb", None)
    assert "np.mean(labels)" in first.source
    assert layout.tagged(small, layout.SOLUTION)[0].outputs[0].text == "kept"
    assert len(layout.tagged(small, layout.SOLUTION)) == 2


def test_badges_and_install_cell_come_from_the_address(small):
    derived.refresh(small, "01_small.ipynb", GITHUB)
    (time,), (install,) = (layout.tagged(small, tag) for tag in (layout.TIME, layout.INSTALL))
    assert "github/owner/project/blob/main/notebooks/01_small.ipynb" in time.source
    assert "mybinder.org/v2/gh/owner/project/main?labpath=notebooks/01_small.ipynb" in time.source
    assert f'%pip install --quiet "adhelpers @ git+{GITHUB}"' in install.source
    derived.refresh(small, "01_small.ipynb", None)
    assert "badge" not in time.source
    assert install.source.endswith("%pip install --quiet ..")


@pytest.mark.parametrize("address", [None, "https://example.org/owner/project"])
def test_no_badges_without_github(address):
    assert derived.badges("01.ipynb", address) == ""


def test_minutes_grow_with_the_words_and_are_fives(small):
    before = derived.minutes(small)
    small.cells[0].source += " word" * 1400
    assert derived.minutes(small) == before + 10
    assert before % 5 == 0


def test_the_table_is_put_between_its_marks(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{table.START}\nold\n{table.END}\n\nafter\n")
    monkeypatch.setattr(table, "PAGE", page)
    assert not table.is_current()
    table.write()
    assert table.is_current()
    words = page.read_text()
    assert words.startswith("before\n\n")
    assert words.endswith("\n\nafter\n")
    assert "[1. The data set](../notebooks/01_dataset.ipynb)" in words
    assert "old" not in words


# --- the student edition ------------------------------------------------------------------------


def test_no_solution_and_no_output_is_left(tmp_path):
    assert student.main([str(tmp_path)]) == 0
    for path in layout.paths():
        notebook = layout.read(tmp_path / path.name)
        assert not layout.tagged(notebook, layout.SOLUTION)
        assert len(layout.tagged(notebook, layout.EXERCISE)) >= 2
        assert "# Solution" not in "".join(cell.source for cell in notebook.cells)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_it_runs_to_the_first_exercise_and_says_so_in_a_line():
    notebook = student.student_edition(layout.read(layout.paths(["01"])[0]))
    client = NotebookClient(notebook, resources={"metadata": {"path": str(layout.FOLDER)}})
    with pytest.raises(CellExecutionError):
        client.execute()
    first = layout.tagged(notebook, layout.EXERCISE)[0]
    (error,) = first.outputs
    assert error.ename == "NotTriedYet"
    assert error.traceback == [error.evalue]
    assert error.evalue.startswith("Not tried yet: put your answer in place of the three dots.")
    place = notebook.cells.index(first)
    before = [cell for cell in notebook.cells[:place] if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in before)
    assert all(output.output_type != "error" for cell in before for output in cell.outputs)


def test_it_goes_on_where_an_answer_is_given():
    notebook = student.student_edition(layout.read(layout.paths(["01"])[0]))
    first, second = layout.tagged(notebook, layout.EXERCISE)[:2]
    first.source = first.source.replace("...", "0.1", 1)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(layout.FOLDER)}})
    with pytest.raises(CellExecutionError):
        client.execute()
    assert first.outputs[0].text.startswith("Not yet: found 0.1: ")
    assert second.outputs[0].ename == "NotTriedYet"
