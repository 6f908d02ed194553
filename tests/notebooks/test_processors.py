"""The same results on other processors: their ways to compute, and what hangs on the last bit."""

import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl
from forbidden import TENSORFLOW, without

from tools.notebooks import gate, layout

#: Notebooks that look into the Keras network, or take an untrained one.
WITH_KERAS = ("02", "04", "11")
NUMERIC = (
    "gaussian",
    "detector",
    "study",
    "evaluation/test_roc.py",
    "evaluation/test_pixel_scores.py",
)


def kernels_on(processor: str) -> str:
    """Return which kernels OpenBLAS and NumPy take."""
    program = (
        "import numpy, scipy.linalg, threadpoolctl\n"
        "from numpy._core._multiarray_umath import __cpu_features__\n"
        "found = [x for x in threadpoolctl.threadpool_info() if x['internal_api'] == 'openblas']\n"
        "print([(x['architecture'], x['num_threads']) for x in found], __cpu_features__)\n"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=gate.as_on(processor), capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif(
    not any(x["internal_api"] == "openblas" for x in threadpoolctl.threadpool_info()),
    reason="NumPy computes by another library than OpenBLAS here",
)
def test_the_settings_change_how_this_machine_computes():
    kernels = {processor: kernels_on(processor) for processor in gate.PROCESSORS}
    assert len({kernels[name] for name in ("AVX2", "AVX-512", gate.FARTHEST)}) >= 2, kernels


def test_what_the_machine_has_set_itself_does_not_count(monkeypatch):
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "X86_V3")
    assert "NPY_DISABLE_CPU_FEATURES" not in gate.as_on("AVX-512")
    assert gate.as_on("this one")["NPY_DISABLE_CPU_FEATURES"] == "X86_V3"


@pytest.mark.parametrize("path", layout.paths(), ids=lambda path: path.stem)
def test_key_results_are_the_same_on_another_processor(path, tmp_path):
    """Those of the built-in weights without TensorFlow."""
    variables = {} if path.name.startswith(WITH_KERAS) else without(TENSORFLOW, tmp_path)
    assert gate.compare([path], True, gate.FARTHEST, variables) == 0


def test_numbers_meet_their_oracles_on_another_processor():
    tests = [str(layout.ROOT / "tests" / place) for place in NUMERIC]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=layout.ROOT, env=gate.as_on(gate.FARTHEST), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_pair_of_channels_does_not_hang_on_the_last_bit():
    """Notebook 3 once took the nearest of both halves of the matrix, which are a bit apart."""
    correlation = np.corrcoef(np.random.default_rng(0).normal(size=(30, 9)), rowvar=False)
    upper = np.triu(np.ones_like(correlation, dtype=bool), 1)
    symmetric = np.where(upper, correlation, correlation.T)
    nudged = np.nextafter(symmetric, 0)
    halves = [np.where(upper, symmetric, nudged), np.where(upper, nudged, symmetric)]
    target = symmetric[upper].max() + 0.1

    def nearest(matrix: np.ndarray) -> tuple[int, int]:
        return np.unravel_index(np.abs(matrix - target).argmin(), matrix.shape)

    for matrix in halves:
        np.fill_diagonal(matrix, 0)
    assert nearest(halves[0]) == nearest(halves[1])[::-1]
    assert nearest(np.triu(halves[0], 1)) == nearest(np.triu(halves[1], 1))
    assert any(
        "np.triu(np.nan_to_num(np.corrcoef(x, rowvar=False)), 1)" in cell.source
        for cell in layout.read(layout.paths(["03"])[0]).cells
    )
