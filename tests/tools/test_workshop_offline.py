"""The kit that `make workshop` made, in a room without any network interface."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools.workshop import install

KIT = Path(__file__).parents[2] / "build" / "workshop"
HERE = install.platform_name(sysconfig.get_platform(), platform.machine())
LOCK = KIT / "wheels" / f"{HERE}-py{sys.version_info[0]}.{sys.version_info[1]}.txt"
ALONE = ["unshare", "--net", *([] if os.name == "nt" or os.geteuid() == 0 else ["-r"])]

ROOM = """\
set -e
ip link set lo up  # a kernel talks to its notebook over it
python=$1 kit=$2 folder=$3
test "$(ip -oneline link | wc -l)" = 1
$python $kit/install.py $folder --teacher
cd $folder
.venv/bin/jupyter execute --inplace teacher/01_dataset.ipynb
.venv/bin/adhelpers run --data_path synthetic --weights builtin --category weave --no_quantize
"""

if not LOCK.is_file():
    pytest.skip(f"no {LOCK.name} in build/workshop: make workshop", allow_module_level=True)


def test_install_the_first_notebook_and_the_main_job_without_a_network(tmp_path):
    tools = all(map(shutil.which, ("unshare", "ip")))
    if not tools or subprocess.run([*ALONE, "ip", "link", "set", "lo", "up"]).returncode:
        pytest.skip("no network namespaces here (unshare and ip of Linux)")
    folder = tmp_path / "room"
    own = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    try:
        subprocess.run(
            [*ALONE, "bash", "-c", ROOM, "room", sys.executable, KIT, folder], env=own, check=True
        )
        assert (folder / "result" / "summary.csv").is_file()
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # 3 GB
