import os
import resource
import subprocess
import sys

import pytest

from adhelpers.ground import UserError, check_writable, written_whole


def test_an_exception_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_ordinary_mode(tmp_path):
    with written_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    (tmp_path / "b.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"cannot be written \(Not a directory\)"):
        check_writable(tmp_path / "file" / "result")


def test_check_writable_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_check_writable_leaves_what_is_there(tmp_path):
    (tmp_path / "check").write_text("mine")
    check_writable(tmp_path)
    assert (tmp_path / "check").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_full_disk_loses_nothing(tmp_path):
    program = (
        "import numpy as np\n"
        "from adhelpers.ground import written_whole\n"
        f"with written_whole({str(tmp_path / 'a.npy')!r}) as t, t.open('wb') as f:\n"
        "    np.save(f, np.zeros(100_000))\n"
    )

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=limit, capture_output=True, text=True
    )
    assert "UserError" in done.stderr
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []
