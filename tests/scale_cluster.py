"""A storage server, a scheduler and workers as processes on this machine, for tests and figures."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from forbidden import TENSORFLOW, without

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests-0123456789"
BUCKET = "line"
_FORBIDDEN = (*TENSORFLOW, "matplotlib")
_AS_A_NANNY = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "65536"}  # sets them


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(endpoint: str) -> dict[str, str]:
    """Return the variables by which SDKs find a storage and its credentials."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def wait_for(port: int, seconds: float = 30) -> None:
    """Wait until something listens on a port."""
    end = time.monotonic() + seconds
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.05)


@contextmanager
def storage_server():
    """Run an S3 server with one bucket; the variables of this process name it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    earlier = dict(os.environ)
    try:
        wait_for(port)
        os.environ.update(environment(f"http://127.0.0.1:{port}"))
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        os.environ.clear()
        os.environ.update(earlier)
        end(server)


def end(process: subprocess.Popen, how: int = signal.SIGKILL) -> None:
    """End a process, and wait for it."""
    process.send_signal(how)
    process.wait(30)


class Cluster:
    """A scheduler and workers, each a process; workers cannot import TensorFlow.

    Parameters
    ----------
    folder : Path
        For logs, and what forbids imports.
    """

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen:
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"
        )
        wait_for(self.port)
        return self.scheduler

    def start_worker(self) -> subprocess.Popen:
        """Start a worker of one thread."""
        local = str(self.folder / f"worker{len(self.workers)}")
        one = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", local)
        self.workers.append(self._start("worker", self.address, *one))
        return self.workers[-1]

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                end(process)

    def log(self) -> str:
        """Return all that scheduler and workers wrote."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen:
        variables = {**os.environ, **_AS_A_NANNY, **without(_FORBIDDEN, self.folder)}
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        with (self.folder / f"{kind}{len(self.workers)}.log").open("a") as log:
            return subprocess.Popen(command, env=variables, stdout=log, stderr=log)
