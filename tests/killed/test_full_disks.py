"""Disks that are full, and files that may not grow, from one of a command's writes on."""

import subprocess
import zlib

import pytest
from forked import FILLER, Command
from undisturbed import WORDS, drawn_writes, repeats, temporary

CASES = repeats(1)
_LAST = 3  # writes of the last file after its first: written, renamed, and no more to remove


@pytest.fixture
def disk(tmp_path):
    """A disk of 128 MiB in memory; skips, saying so, where it may not be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fails_and_goes_on(command, folder, event, moment):
    """Check that a command without room says so in a line, and leaves every file as it was."""
    ending = Command(command.words, folder, event, moment).ending()
    print(f"{command.words[0]}, {event} from write {moment}: {ending.code}, {ending.error.strip()}")
    command.check_whole(folder)
    assert temporary(folder) == []
    if event == "little growth" and ending.code == 0:
        return  # all that was still to be written is small
    assert ending.code == 2, ending
    assert ending.error.startswith("adhelpers: ") and ending.error.count("\n") == 1, ending
    (folder / FILLER).unlink(missing_ok=True)
    command.check_goes_on(folder)


def moments(command, *words):
    """Return the write that the last file begins with, and others drawn at random."""
    last = command.ending.writes - _LAST
    seed = zlib.crc32(" ".join(words).encode())
    return [last, *drawn_writes(last - 1, CASES - 1, seed)]


@pytest.mark.parametrize("event", ["no growth", "little growth"])
@pytest.mark.parametrize("name", WORDS)
def test_where_files_may_not_grow_a_command_says_so(undisturbed, tmp_path, name, event):
    command = undisturbed(name)
    for moment in moments(command, name, event):
        folder = command.place(tmp_path / str(moment))
        fails_and_goes_on(command, folder, event, moment)


@pytest.mark.parametrize("name", WORDS)
def test_where_the_disk_is_full_a_command_says_so(undisturbed, disk, name):
    command = undisturbed(name)
    for moment in moments(command, name):
        fails_and_goes_on(command, command.place(disk / str(moment)), "full", moment)
