"""What a cluster may do to a job: workers and schedulers that die, storage that fails."""

import os
import signal
import socket
import threading
import time

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from scale_cluster import Cluster, end

from adhelpers import MahalanobisDetector, UserError, scale
from adhelpers.scale import engine, storage, worker


@pytest.fixture
def own_cluster(bucket, tmp_path):
    """A cluster that a test may hurt."""
    cluster = Cluster(tmp_path)
    try:
        for _ in range(2):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()


def test_workers_never_import_tensorflow(client, network):
    def loaded():
        import importlib
        import sys

        for room in ("scale.fitting", "scale.scoring", "scale.sums", "scale.urls"):
            importlib.import_module(f"adhelpers.{room}")
        with pytest.raises(ImportError, match="forbidden"):
            importlib.import_module("tensorflow")
        return {"tensorflow", "keras", "matplotlib"} & set(sys.modules)

    assert set(map(frozenset, client.run(loaded).values())) == {frozenset()}


def test_a_worker_that_is_killed_and_one_that_comes_later(own_cluster, tmp_path, network):
    """Each of three tasks kills its worker the first time; the model is on the new ones too."""

    def fragile(number: int) -> int:
        import signal

        from adhelpers.scale.worker import runner_of

        flag = tmp_path / f"tried{number}"
        if number % 4 == 0 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        runner_of(digest, ())
        return number**2

    def replace() -> None:
        while not done.wait(0.1):
            for process in list(own_cluster.workers):
                if process.poll() is not None and process not in replaced:
                    replaced.append(process)
                    own_cluster.start_worker()

    digest = worker.digest_of(network.model)
    replaced, done = [], threading.Event()
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        with scale.connect(own_cluster.address) as client:
            results = engine.in_parallel(client, fragile, range(10), "test", network.model)
    finally:
        done.set()
        thread.join()
    assert results == [number**2 for number in range(10)]
    assert sorted(path.name for path in tmp_path.glob("tried*")) == ["tried0", "tried4", "tried8"]


def test_a_scheduler_that_restarts(own_cluster, network):
    def slow(number: int) -> int:
        import time

        from adhelpers.scale.worker import runner_of

        time.sleep(0.3)
        runner_of(digest, ())
        return -number

    def restart() -> None:
        time.sleep(2)
        end(own_cluster.scheduler)
        for process in own_cluster.workers:
            end(process)
        own_cluster.start_scheduler()
        for _ in range(2):
            own_cluster.start_worker()

    digest = worker.digest_of(network.model)
    thread = threading.Thread(target=restart)
    with scale.connect(own_cluster.address) as client:
        thread.start()
        results = engine.in_parallel(client, slow, range(24), "test", network.model)
        thread.join()
    assert results == [-number for number in range(24)]


def test_failed_partitions_are_counted_and_the_others_are_done(client):
    def odd(number: int) -> int:
        if number % 2 == 0:
            raise OSError(5, "Input/output error")
        return number

    for where in (client, None):
        with pytest.raises(UserError, match=r"^2 of 4 partitions are missing.*Input/output error"):
            engine.in_parallel(where, odd, [0, 1, 2, 3], "test")


def test_what_does_not_answer_is_one_line(own_cluster, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(UserError, match=r"no scheduler answers within 1 s"):
            scale.connect(address, patience=1).__enter__()
        assert time.monotonic() - start < 10
    for address in ("local:0", "local:many", "nonsense://x"):
        with pytest.raises(UserError, match=address):
            scale.connect(address, patience=1).__enter__()
    monkeypatch.setattr(engine, "PATIENCE", 1.0)
    with scale.connect(own_cluster.address) as client:
        for process in own_cluster.workers:
            end(process, signal.SIGKILL)
        with pytest.raises(UserError, match="no workers at the scheduler within 1 s"):
            engine.in_parallel(client, abs, [1], "test")


def test_workers_of_other_versions_are_refused(client, monkeypatch, network):
    theirs = worker.versions()
    monkeypatch.setattr(worker, "versions", lambda: {**theirs, "numpy": "1.0"})
    with pytest.raises(UserError, match=rf"numpy {theirs['numpy']} instead of 1.0; install") as e:
        engine.in_parallel(client, abs, [1], "test", network.model)
    assert "\n" not in str(e.value)


class Failing(MemoryFileSystem):
    """A storage that fails so many times before each answer."""

    protocol = "failing"
    error, failures, calls = OSError(16, "Please reduce your request rate"), 0, 0

    def cat_file(self, path, **options):
        Failing.calls += 1
        if Failing.calls % (Failing.failures + 1):
            raise self.error
        return super().cat_file(path.replace("failing://", ""), **options)


@pytest.fixture
def failing(monkeypatch):
    fsspec.register_implementation("failing", Failing, clobber=True)
    monkeypatch.setattr(storage, "PAUSE", 0.001)
    monkeypatch.setattr(storage, "_AT_ONCE", 1)
    fsspec.filesystem("memory").pipe_file("/a.png", b"content")
    Failing.calls = 0
    yield Failing
    fsspec.filesystem("memory").rm("/a.png")


def test_storage_is_asked_again_up_to_a_limit(failing):
    failing.failures = storage.TRIES - 1
    assert storage.fetch(["failing://a.png", "failing://a.png"]) == [b"content"] * 2
    assert failing.calls == 2 * storage.TRIES
    failing.failures = 10**6
    with pytest.raises(OSError, match="request rate"):
        storage.fetch(["failing://a.png"])
    assert failing.calls == 3 * storage.TRIES


def test_refusals_are_no_images_errors_and_not_asked_again(failing, network, monkeypatch):
    monkeypatch.setattr(Failing, "error", PermissionError("Access Denied"))
    failing.failures = 10**6
    images = [scale.Source("failing://a.png")]
    with pytest.raises(UserError, match=r"1 of 1 partitions are missing.*Access Denied"):
        scale.fit(images, network, detector=MahalanobisDetector())
    assert failing.calls == 1


def test_a_temporary_folder_is_not_shared_by_machines():
    from types import SimpleNamespace

    from adhelpers.scale.folders import shared_folder

    far = SimpleNamespace(
        scheduler=SimpleNamespace(address="tcp://10.0.0.1:8786"),
        scheduler_info=lambda n_workers: {"workers": {"tcp://10.0.0.2:1": {}}},
    )
    with pytest.raises(UserError, match="workers on 2 machines share no temporary folder"):
        shared_folder(None, far)
    assert shared_folder("s3://a/b/", far) == "s3://a/b"
