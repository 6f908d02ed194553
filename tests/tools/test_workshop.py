"""The workshop kit in small: wheels of a few bytes, brought and installed by the real pip."""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags
from small_wheels import PIP, write_wheel

from adhelpers.ground import UserError
from tools.workshop import install, make, wheels
from tools.workshop.platforms import PLATFORMS

PYTHON = ".".join(map(str, sys.version_info[:2]))
HERE = install.platform_name(sysconfig.get_platform(), platform.machine())
TAGS = "win_amd64", "manylinux_2_27_x86_64", "macosx_12_0_arm64"

needs_here = pytest.mark.skipif(HERE not in PLATFORMS, reason=f"no kit can be made for {HERE}")
needs_pip = pytest.mark.skipif(PIP is None, reason="this Python comes without a wheel of pip")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels, which is all that pip finds."""
    folder = tmp_path / "index"
    folder.mkdir()
    shutil.copy(PIP, folder)
    write_wheel(folder, "fake_numbers", "2.0")
    for tag in TAGS:
        write_wheel(folder, "fake_numbers", tag=f"py3-none-{tag}")
    write_wheel(folder, "on_windows")
    write_wheel(folder, "on_macs")
    write_wheel(folder, "before_312")
    write_wheel(folder, "lab", requires=["circle"])
    write_wheel(folder, "circle", requires=["lab", "cluster"])
    write_wheel(folder, "cluster", requires=["speed; extra == 'fast'"], extras=["fast"])
    write_wheel(folder, "speed")
    write_wheel(folder, "unwanted")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def own(tmp_path):
    """A wheel of a small `adhelpers`."""
    requires = [
        "fake-numbers>=1",
        "on-windows; sys_platform == 'win32'",
        "on-macs; platform_system == 'Darwin' and platform_machine == 'arm64'",
        "before-312; python_version < '3.12'",
        "lab; extra == 'notebooks'",
        "cluster[fast]; extra == 'scale'",
        "unwanted; extra == 'dev'",
    ]
    extras = "notebooks", "scale", "dev"
    return write_wheel(tmp_path, "adhelpers", requires=requires, extras=extras)


def gather(own, name, python, folder):
    pins = folder / "pins.txt"
    folder.mkdir(exist_ok=True)
    pins.write_text("fake_numbers==1.0\nother==3 ; python_full_version < '3.12'\n")
    return wheels.gather(own, name, PLATFORMS[name], python, pins, folder)


# --- platforms ----------------------------------------------------------------------------------


@needs_here
def test_this_platform_is_as_packaging_sees_it():
    ours, theirs = PLATFORMS[HERE].markers(PYTHON), default_environment()
    vague = {"python_full_version", "implementation_version", "platform_release"}
    vague |= {"platform_version"}
    assert {k: v for k, v in ours.items() if k not in vague} == {
        k: v for k, v in theirs.items() if k not in vague
    }
    assert set(PLATFORMS[HERE].tags) & {tag.platform for tag in sys_tags()}


@pytest.mark.parametrize(
    ("build", "machine", "name"),
    [
        ("linux-x86_64", "x86_64", "linux-x64"),
        ("linux-aarch64", "aarch64", "linux-arm64"),
        ("win-amd64", "ARM64", "windows-x64"),  # an x64 Python that Windows on ARM translates
        ("win-arm64", "ARM64", "windows-arm64"),
        ("macosx-10.13-universal2", "arm64", "macos-arm64"),
        ("macosx-10.13-universal2", "x86_64", "macos-x64"),
        ("macosx-14.0-arm64", "arm64", "macos-arm64"),
    ],
)
def test_names_of_platforms(build, machine, name):
    assert install.platform_name(build, machine) == name


@pytest.mark.parametrize("build", ["win32", "linux-i686", "linux-armv7l", "freebsd-14-amd64"])
def test_a_platform_without_tensorflow_is_refused(build):
    with pytest.raises(install.Trouble, match=f"built for {build}.*64 bits"):
        install.platform_name(build, "whatever")


# --- bringing wheels ----------------------------------------------------------------------------


@needs_pip
@pytest.mark.parametrize(
    ("name", "python", "tag", "more"),
    [
        ("windows-x64", "3.12", "win_amd64", {"on-windows"}),
        ("macos-arm64", "3.11", "macosx_12_0_arm64", {"on-macs", "before-312"}),
        ("linux-x64", "3.13", "manylinux_2_27_x86_64", set()),
    ],
)
def test_a_platform_gets_what_it_requires_at_the_pinned_version(
    index, own, tmp_path, name, python, tag, more
):
    found = gather(own, name, python, tmp_path / "wheels")
    always = {"adhelpers", "pip", "fake-numbers", "lab", "circle", "cluster", "speed"}
    assert set(found) == always | more
    assert found["fake-numbers"].name == f"fake_numbers-1.0-py3-none-{tag}.whl"
    assert all(wheel.is_file() for wheel in found.values())


@needs_here
@needs_pip
def test_it_is_what_pip_would_install_here(index, own, tmp_path):
    found = gather(own, HERE, PYTHON, tmp_path / "wheels")
    words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    wanted = f"{own}[{','.join(wheels.EXTRAS)}]", "pip", "fake-numbers==1.0"
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, *wanted], capture_output=True, text=True, check=True
    )
    rows = [row["metadata"] for row in json.loads(done.stdout)["install"]]
    assert set(found) == {row["name"].replace("_", "-") for row in rows}


@needs_pip
def test_a_platform_without_a_wheel_is_told_with_the_package(index, own, tmp_path):
    with pytest.raises(UserError, match=r"^linux-arm64, Python 3\.12: .*fake-numbers==1\.0"):
        gather(own, "linux-arm64", "3.12", tmp_path / "wheels")


@needs_pip
def test_wheels_that_are_there_are_not_fetched_again(index, own, tmp_path):
    first = gather(own, "windows-x64", "3.12", tmp_path / "wheels")
    for wheel in index.glob("*.whl"):
        wheel.unlink()
    assert gather(own, "windows-x64", "3.12", tmp_path / "wheels") == first


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--platform", "macos-x64"], "'macos-x64'; choose one of: linux-x64, "),
        (["--python", "3.14"], "unknown Python '3.14'; choose one of: 3.11, "),
        (["--weights", "nowhere.h5"], "nowhere.h5: there is no such file"),
        (["--platform", "linux-x64"], "holds something else"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(words, error, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert make.main([*words, "--output", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert error in line
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
