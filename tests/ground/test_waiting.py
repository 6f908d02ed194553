"""The bar of a long step, in a terminal and elsewhere."""

import os
import pty
import subprocess
import sys

PROGRAM = """
import time
from adhelpers.ground import passing_time, quiet_stderr
with passing_time("convert", 2.0), quiet_stderr():
    time.sleep(1.6)
"""


def test_a_terminal_sees_time_pass_although_stderr_is_off():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    assert "convert" in shown and "1/2" in shown


def test_elsewhere_nothing_is_written():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""
