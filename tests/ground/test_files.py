import os
import resource
import signal
import subprocess
import sys

import pytest
from pictures import draw_image, write_image

from adhelpers.ground import (
    UserError,
    check_writable,
    check_writable_file,
    leftovers,
    read_text,
    temporary_path,
    write_bytes,
    write_rows,
    write_text,
    written_whole,
)

pytestmark = pytest.mark.trouble

_posix = pytest.mark.skipif(os.name != "posix", reason="devices, pipes and signals are POSIX")


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


@_posix
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


@_posix
@pytest.mark.parametrize("write", [write_bytes, lambda path, _: check_writable_file(path)])
@pytest.mark.parametrize("what", ["/dev/null", "/dev/full", "fifo", "folder", "link to a device"])
def test_only_ordinary_files_are_replaced(tmp_path, what, write):
    path = tmp_path / what
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link to a device":
        path.symlink_to("/dev/null")
    else:
        path = what
    before = os.lstat(path)
    with pytest.raises(UserError, match=r"name (another|a) file"):
        write(path, b"x")
    assert os.lstat(path) == before
    assert len(list(tmp_path.iterdir())) <= 1


@pytest.mark.parametrize("target", ["old.txt", "new.txt"])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, target):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/old.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(f"more/{target}")
    write_text(link, "x")
    assert link.is_symlink()
    assert (tmp_path / "more" / target).read_text() == "x"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "a", "x")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.webp"])
def test_an_image_is_not_replaced_by_something_else(tmp_path, name):
    path = write_image(tmp_path / name, draw_image(0))
    before = path.read_bytes()
    for new in (b"\x1c\0\0\0TFL3 a model", b"a text"):
        with pytest.raises(UserError, match="is there already, and is a"):
            write_bytes(path, new)
    with pytest.raises(UserError, match="is there already, and is a"):
        check_writable_file(path, "a TFLite model")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_same_kind_is_replaced(tmp_path):
    path = write_image(tmp_path / "a.png", draw_image(0))
    new = write_image(tmp_path / "b.png", draw_image(1)).read_bytes()
    check_writable_file(path)
    write_bytes(path, new)
    assert path.read_bytes() == new


def test_a_text_is_no_model_and_an_empty_file_is_nothing(tmp_path):
    path = tmp_path / "a.tflite"
    path.touch()
    check_writable_file(path)
    path.write_text("my notes")
    with pytest.raises(UserError, match="is not a TFLite model"):
        check_writable_file(path)


_KILLED = """
import os, signal, sys
from adhelpers.ground import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
"""


@_posix
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, path], stdout=-1, stdin=-1, text=True
    ) as process:
        left = process.stdout.readline().strip()
        write_text(path, "while it lives")
        assert os.path.exists(left)
        process.send_signal(signal.SIGKILL)
    leftovers._next_look.clear()
    write_text(path, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_leftover_folder_of_this_process_or_another_machine(tmp_path):
    mine = temporary_path(tmp_path / "a")
    mine.mkdir()
    foreign, old = tmp_path / ".a.ad-00000000-1-00000000", tmp_path / ".b.ad-00000000-1-00000000"
    for folder in (foreign, old):
        folder.mkdir()
        (folder / "file").touch()
    os.utime(old, (0, 0))
    leftovers.remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, foreign])
    leftovers.forget(mine)  # as after the restart of a container, which numbers anew
    leftovers._next_look.clear()
    leftovers.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [foreign]


@pytest.mark.parametrize("name", ["a" * 251 + ".txt", "検" * 80, "😀" * 60, "." + "b" * 250])
def test_names_of_255_bytes(tmp_path, name):
    write_text(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"


def test_names_that_are_no_text_are_spelled_out_and_read_back(tmp_path):
    name = os.fsdecode(b"Pr\xfcfling \xe6\xa4\x9c.png")
    write_rows(tmp_path / "a.csv", ["path"], [[name]])
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.csv").read_text("utf-8") == "path\nPr\\udcfcfling 検.png\n"
    assert read_text(tmp_path / "a.txt") == name
    assert read_text(tmp_path / "a.csv").split() == ["path", *name.split()]
