"""install.py of the workshop kit: what it refuses, and a kit of small wheels that it installs."""

import ast
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from small_wheels import PIP, write_wheel

from tools.workshop import install, wheels

SOURCE = Path(install.__file__)
PYTHON = ".".join(map(str, sys.version_info[:2]))
HERE = install.platform_name(sysconfig.get_platform(), platform.machine())
PROGRAM = """\
import os, sys, fake_numbers
def main():
    print("asked:", *sys.argv[1:])
    return int(os.environ.get("FAKE_DOCTOR", "0"))
"""


@pytest.fixture
def kit(tmp_path):
    """A kit whose `adhelpers` needs one package, for this platform and Python."""
    if PIP is None:
        pytest.skip("this Python comes without a wheel of pip")
    kit = tmp_path / "kit"
    (kit / "wheels").mkdir(parents=True)
    (kit / "room" / "notebooks").mkdir(parents=True)
    (kit / "teacher").mkdir()
    (kit / "room" / "notebooks" / "01.ipynb").write_text("an exercise")
    (kit / "teacher" / "01.ipynb").write_text("its solution")
    shutil.copy(SOURCE, kit)
    found = {
        "pip": Path(shutil.copy(PIP, kit / "wheels")),
        "fake-numbers": write_wheel(kit / "wheels", "fake_numbers"),
        "adhelpers": write_wheel(
            kit / "wheels",
            "adhelpers",
            requires=["fake-numbers"],
            code=PROGRAM,
            extras=wheels.EXTRAS,
        ),
    }
    (kit / "wheels" / f"{HERE}-py{PYTHON}.txt").write_text(wheels.lock(found))
    return kit


def run(kit, folder, *words, **variables):
    """Run the kit's install.py as a participant does, whose pip is set up in another way."""
    environment = {**os.environ, "PIP_NO_DEPS": "1", "PIP_TARGET": "/nowhere", **variables}
    return subprocess.run(
        [sys.executable, kit / "install.py", folder, *words],
        env=environment,
        capture_output=True,
        text=True,
    )


# --- a small kit --------------------------------------------------------------------------------


def test_it_installs_asks_doctor_and_says_ok(kit, tmp_path):
    folder = tmp_path / "my room"
    done = run(kit, folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "asked: doctor" in lines
    assert lines[lines.index("asked: doctor") + 1].startswith("OK. ")
    assert (folder / "notebooks" / "01.ipynb").read_text() == "an exercise"
    assert not (folder / "teacher").exists()
    python = install.program(folder / ".venv", "python")
    assert subprocess.run([python, "-c", "import fake_numbers, pip"]).returncode == 0


def test_what_doctor_finds_is_not_ok_and_the_next_run_mends_it(kit, tmp_path):
    done = run(kit, tmp_path / "room", FAKE_DOCTOR="2")
    assert done.returncode == 2
    assert done.stderr.startswith("NOT OK: adhelpers doctor ended with 2")
    assert "OK." not in done.stdout
    assert run(kit, tmp_path / "room").returncode == 0


def test_work_is_kept_and_the_teacher_gets_the_solutions(kit, tmp_path):
    work = tmp_path / "room" / "notebooks" / "01.ipynb"
    work.parent.mkdir(parents=True)
    work.write_text("an exercise, done")
    done = run(kit, tmp_path / "room", "--teacher")
    assert done.returncode == 0
    assert "1 files that differ from the kit's are kept" in done.stdout
    assert work.read_text() == "an exercise, done"
    assert (tmp_path / "room" / "teacher" / "01.ipynb").read_text() == "its solution"


def test_an_environment_of_somebody_else_is_left_alone(kit, tmp_path):
    (tmp_path / "project" / ".venv").mkdir(parents=True)
    (tmp_path / "project" / ".venv" / "precious").touch()
    done = run(kit, tmp_path / "project")
    assert done.returncode == 2
    assert "was not made by install.py: name another folder" in done.stderr
    assert (tmp_path / "project" / ".venv" / "precious").exists()


def test_a_damaged_wheel_is_named(kit, tmp_path):
    wheel = kit / "wheels" / "fake_numbers-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-1])
    done = run(kit, tmp_path / "room")
    assert done.returncode == 2
    assert done.stderr == f"NOT OK: {wheel} is missing or damaged: copy the kit again\n"
    assert not (tmp_path / "room").exists()


def test_a_list_that_lacks_a_requirement_is_found_by_pip(kit, tmp_path):
    lock = kit / "wheels" / f"{HERE}-py{PYTHON}.txt"
    kept = [line for line in lock.read_text().splitlines() if not line.startswith("fake-numbers")]
    lock.write_text("\n".join(kept) + "\n")
    done = run(kit, tmp_path / "room")
    assert done.returncode == 2
    assert "fake-numbers" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("NOT OK: pip could not install")


# --- what it looks at first ---------------------------------------------------------------------


def test_an_old_python_can_read_it_and_needs_nothing_else():
    tree = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 7))
    names = {
        a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    names |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "venv" in names and names <= sys.stdlib_module_names


@pytest.mark.parametrize("found", ["3.10", "3.14"])
def test_another_python_is_told_which_are_needed(found):
    with pytest.raises(install.Trouble, match=rf"Python {found} found, 3\.11 to 3\.13 needed"):
        install.check_python(found)


@pytest.mark.parametrize(
    ("name", "python", "words"),
    [
        ("linux-x64", "3.13", r"Python 3\.13 found, .* Python 3\.11, 3\.12: run it .*python3\.12"),
        ("macos-arm64", "3.12", "no wheels for macos-arm64, only: linux-x64-py3.11, .*neighbour"),
        ("macos-x64", "3.12", "no wheels for Intel Macs .*neighbour"),
        ("windows-arm64", "3.12", "no wheels for Windows on ARM .*linux-arm64.*neighbour"),
    ],
)
def test_a_kit_without_the_wheels_says_which_it_has(tmp_path, name, python, words):
    for other in ("3.11", "3.12"):
        (tmp_path / f"linux-x64-py{other}.txt").touch()
    with pytest.raises(install.Trouble, match=words):
        install.find_lock(tmp_path, name, python)


@pytest.mark.parametrize(
    ("name", "libc", "macos", "words"),
    [
        ("linux-x64", ("glibc", "2.27"), "", r"glibc 2\.27 found, 2\.28 or newer"),
        ("linux-arm64", ("", ""), "", "no glibc"),
        ("macos-arm64", ("", ""), "12.7.1", r"macOS 12\.7\.1 found, 13\.0 or newer"),
    ],
)
def test_an_old_system_is_refused(name, libc, macos, words):
    with pytest.raises(install.Trouble, match=words):
        install.check_system(name, libc, macos)


@pytest.mark.parametrize(
    ("name", "libc", "macos"),
    [
        ("linux-x64", ("glibc", "2.28"), ""),
        ("macos-arm64", ("", ""), "26.1"),
        ("windows-x64", ("", ""), ""),
    ],
)
def test_a_newer_system_is_not(name, libc, macos):
    install.check_system(name, libc, macos)


def test_a_full_disk_is_told_before_anything_is_installed(tmp_path, monkeypatch):
    wheel = write_wheel(tmp_path, "large", code="x" * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 10**6))
    with pytest.raises(install.Trouble, match="GB free for .*room, .* GB needed: free some"):
        install.check_folder(tmp_path / "room", "linux-x64", [wheel])
    monkeypatch.undo()
    install.check_folder(tmp_path / "room", "linux-x64", [wheel])


def test_a_long_name_is_refused_on_windows_alone(tmp_path):
    folder = tmp_path / ("x" * install.LONGEST)
    with pytest.raises(install.Trouble, match="longer than 70 letters: name another"):
        install.check_folder(folder, "windows-x64", [])
    assert not folder.exists()
    install.check_folder(folder, "linux-x64", [])
