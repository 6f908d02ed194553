import subprocess
import sys
from importlib import metadata


def run_python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_no_tensorflow():
    out = run_python(
        "import sys, adhelpers as ad\n"
        "ad.MahalanobisDetector, ad.FeatureSet, ad.evaluation, ad.datasets.mvtec\n"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    assert out.strip() == "[]"


def test_names_that_are_not_there():
    out = run_python(
        "import adhelpers as ad\n"
        "try: ad.nothing\n"
        "except AttributeError as error: print(error)\n"
        "print('Extractor' in dir(ad))"
    )
    assert out.splitlines() == ["module 'adhelpers' has no attribute 'nothing'", "True"]


def test_starting_tensorflow_prints_nothing():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import adhelpers as ad; ad.backbones.load_backbone(weights='none')",
        ],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_program_is_the_package_too():
    command = [sys.executable, "-m", "adhelpers", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"adhelpers {metadata.version('adhelpers')}\n"
