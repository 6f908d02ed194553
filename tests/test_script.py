"""The script of docs/script.md, as it stands there."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import adhelpers as ad
from adhelpers.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "script.md").read_text("utf-8")
SCRIPT = re.search(r"```python\n(.+?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good photographs, one of them twice, and new ones; and what the script made of them."""
    root = tmp_path_factory.mktemp("script")
    data = ad.datasets.load_synthetic("tablet", root / "drawn")
    few = np.concatenate([np.flatnonzero(data.test.labels == label)[:4] for label in (0, 1)])
    some = {"good": data.train.paths[:24], "new": [data.test.paths[i] for i in few]}
    for name, paths in some.items():
        (root / name).mkdir()
        for i, path in enumerate(paths):
            (root / name / f"{i:02d}.png").write_bytes(path.read_bytes())
    (root / "good/99.png").write_bytes((root / "good/03.png").read_bytes())
    (root / "script.py").write_text(SCRIPT, "utf-8")
    command = [sys.executable, "script.py", "good", "new"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (root / "screen.txt").write_text(done.stdout, "utf-8")
    return root


def test_the_script_needs_nothing_of_the_course_and_is_short():
    assert "teaching" not in SCRIPT
    assert len([line for line in SCRIPT.splitlines() if line.strip()]) <= 22


def test_it_says_what_to_look_at_first(folder):
    first = (folder / "screen.txt").read_text("utf-8").splitlines()[0]
    assert first == "look at these first, exact copy of an earlier one: 99.png"


def test_defective_ones_are_on_top_and_the_decisions_are_the_detectors(folder):
    lines = (folder / "screen.txt").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if line.endswith(".png")][1:]
    scores = [float(score) for score, *_ in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(rows) == 8
    place = {Path(path).stem: i for i, (*_, path) in enumerate(rows)}
    labels = [int(name >= "04") for name in sorted(place)]
    assert ad.evaluation.roc_auc(labels, [-place[name] for name in sorted(place)]) > 0.8


def test_the_file_gives_the_scores_of_the_screen(folder):
    """By the command, which runs the file by LiteRT alone."""
    model, table = str(folder / "detector.tflite"), str(folder / "scores.csv")
    assert main(["score", model, str(folder / "new"), "-o", table]) == 0
    with open(table, newline="") as file:
        by_command = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    lines = (folder / "screen.txt").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if line.endswith(".png")][1:]
    for score, verdict, path in rows:
        row = by_command[Path(path).name]
        assert float(score) == pytest.approx(float(row["score"]), abs=0.02)
        assert verdict == row["decision"]


def test_the_figure_is_saved(folder):
    assert "figure_1.png: Where the oddest" in (folder / "screen.txt").read_text("utf-8")
    assert np.ptp(cv2.imread(str(folder / "figure_1.png"))) > 100
