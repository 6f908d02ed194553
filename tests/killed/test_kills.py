"""Commands that are killed at random moments, and go on to the very same files.

``ADHELPERS_KILLS=20 python -m pytest tests/killed`` kills each command 20 times by each signal.
"""

import signal
import zlib

import numpy as np
import pytest
from forked import Command
from undisturbed import WORDS, drawn_writes, repeats, temporary

KILLS = repeats(2)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("name", WORDS)
def test_killed_at_any_moment_a_command_goes_on_to_the_same_files(undisturbed, tmp_path, name, how):
    command = undisturbed(name)
    seed = zlib.crc32(f"{name} {how}".encode())
    writes = drawn_writes(command.ending.writes, KILLS // 2, seed)
    seconds = np.random.default_rng(seed).uniform(0, command.ending.seconds, KILLS - len(writes))
    for i, moment in enumerate([*writes, *seconds.tolist()]):
        folder = command.place(tmp_path / str(i))
        if isinstance(moment, int):
            killed = Command(command.words, folder, how, moment)
        else:
            killed = Command(command.words, folder)
            killed.wait(moment)
            killed.send(signal.Signals[how])
        ending = killed.ending()
        print(f"{name}, {how} at {moment}: {ending.code}")
        command.check_whole(folder)
        if how == "SIGTERM":
            assert temporary(folder) == []
            assert ending.code in (0, 143, -signal.SIGTERM)
            if ending.code == 143 and ending.error:  # stderr is off as an interpreter starts
                assert ending.error.splitlines()[-1].startswith("adhelpers: interrupted")
        elif isinstance(moment, int):
            assert ending.code == -signal.SIGKILL
        command.check_goes_on(folder)
