"""The page's modules: their own tests under Node, and Biome's linter and formatter over them."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import adhelpers as ad
from adhelpers.export import page as page_module
from adhelpers.export.npm import Package

HERE = Path(__file__).parent
#: The program of https://biomejs.dev for one kind of machine.
BIOME = Package(
    "@biomejs/cli-linux-x64",
    "2.3.8",
    "503a7fbe3faae8e97f0192ea06c756ef409bc6bb24d38e80c2a4484ea7f3d177",
)
STYLE = ("--indent-style=space", "--line-width=100")


def test_the_modules_under_node():
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    tests = [str(path) for path in HERE.glob("*.test.js")]
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def biome(tmp_path_factory):
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("Biome is pinned for Linux (x64) alone")
    try:
        (content,) = BIOME.files("biome")
    except ad.UserError as error:
        pytest.skip(str(error))
    program = tmp_path_factory.mktemp("biome") / "biome"
    program.write_bytes(content)
    program.chmod(0o755)
    return program


def checked(biome, folder, *files):
    words = [str(biome), "check", *STYLE, *map(str, files)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=folder)


def test_they_are_linted_and_formatted(biome, tmp_path):
    for path in (*page_module._WEB.glob("*.js"), *HERE.glob("*.js")):
        shutil.copy(path, tmp_path)
    done = checked(biome, tmp_path, *tmp_path.iterdir())
    assert done.returncode == 0, done.stderr


def test_the_linter_finds_what_is_wrong(biome, tmp_path):
    (tmp_path / "wrong.js").write_text("export const a = (b) => { if (b = 1) return  2 }\n")
    done = checked(biome, tmp_path, tmp_path / "wrong.js")
    assert done.returncode == 1 and "noAssignInExpressions" in done.stderr
