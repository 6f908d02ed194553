"""Two of the same command at once, into one folder and with one cache."""

import pytest
from forked import Command
from undisturbed import WORDS, files


@pytest.mark.parametrize("name", WORDS)
def test_two_at_once_write_what_one_writes(undisturbed, tmp_path, name):
    command = undisturbed(name)
    folder = command.place(tmp_path)
    both = [Command(command.words, folder) for _ in range(2)]
    for ending in [one.ending() for one in both]:
        assert (ending.code, ending.error) == (0, command.ending.error), ending
    assert files(folder) == command.new
