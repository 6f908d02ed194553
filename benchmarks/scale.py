"""Fitting and scoring on a Dask cluster: equal results, speed, overhead, memory, and growth.

A real S3 server, scheduler and workers run as processes of this machine. The workers cannot import
TensorFlow.

    python benchmarks/scale.py equal          # 20,000 small images; workers killed; a stop
    python benchmarks/scale.py speed          # one worker, two, and a plain loop
    python benchmarks/scale.py partitions     # tasks' overhead against the size of partitions
    python benchmarks/scale.py join           # up to 10,000 partitions of real moments
    python benchmarks/scale.py memory         # of a worker, B0 at 224 pixels
"""

import _thread
import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import fsspec
import numpy as np
import psutil
from tqdm import tqdm

import adhelpers as ad
from adhelpers import scale
from adhelpers.ground import ordered_map
from adhelpers.scale import engine, fitting

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scale_cluster import Cluster, storage_server


def write_images(folder: str, count: int, size: int) -> None:
    """Write images of a smooth texture, each another one."""
    fs, path = fsspec.core.url_to_fs(folder)
    fs.makedirs(path, exist_ok=True)

    def write(i: int) -> None:
        rng = np.random.default_rng(i)
        small = rng.integers(60, 200, (size // 8, size // 8, 3), dtype=np.uint8)
        image = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
        fs.pipe_file(f"{path}/{i:06}.png", cv2.imencode(".png", image)[1].tobytes())

    for _ in tqdm(ordered_map(write, range(count), 8), "write", count, disable=None):
        pass


@contextmanager
def running(workers: int) -> Iterator[Cluster]:
    """Run a cluster with workers of one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder))
        try:
            for _ in range(workers):
                cluster.start_worker()
            yield cluster
        finally:
            cluster.close()


@contextmanager
def connected(workers: int) -> Iterator[tuple[Cluster, object]]:
    with running(workers) as cluster, scale.connect(cluster.address) as client:
        client.wait_for_workers(workers, timeout=60)
        yield cluster, client


def seconds(step: Callable, *arguments) -> tuple[float, object]:
    start = time.perf_counter()
    result = step(*arguments)
    return time.perf_counter() - start, result


def same(one: scale.Fitted, other: scale.Fitted) -> bool:
    """Tell whether two fits are equal to the last bit: sums and threshold."""
    a, b = one.detector, other.detector
    sums_equal = all(
        m.scatter.tobytes() == b.moments_[name].scatter.tobytes()
        and m.mean.tobytes() == b.moments_[name].mean.tobytes()
        and np.array_equal(m.fourth, b.moments_[name].fourth)
        for name, m in a.moments_.items()
    )
    return sums_equal and a.threshold_ == b.threshold_ and one.errors == other.errors


@contextmanager
def killing(cluster: Cluster, times: int, within: float) -> Iterator[list[int]]:
    """Kill a worker with SIGKILL at random moments, and start another each time."""
    rng = random.Random(0)
    moments = sorted(rng.uniform(0.1, 0.9) * within for _ in range(times))
    start, killed, done = time.monotonic(), [], threading.Event()

    def work() -> None:
        for moment in moments:
            if done.wait(max(0.0, start + moment - time.monotonic())):
                return
            victim = rng.choice([x for x in cluster.workers if x.poll() is None])
            victim.kill()
            victim.wait()
            killed.append(round(time.monotonic() - start))
            cluster.start_worker()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


def equal(count: int, side: int) -> None:
    """Compare two workers on S3, killed or stopped, with one process on the same files."""
    extract = ad.Extractor(weights="builtin", engine="tflite", input_size=side)
    plain = ad.MahalanobisDetector()
    with storage_server() as root, tempfile.TemporaryDirectory() as local:
        write_images(f"{root}/images", count, side)
        write_images(f"{local}/images", count, side)
        spent, one = seconds(scale.fit, f"{local}/images", extract, None, plain, None, 2048)
        print(f"fit, one process, files: {spent:.0f} s, {one.n_held_out} of {count} held out")
        model = ad.export.build(extract.model, one.detector)
        alone = scores(f"{local}/images", model, None, None)
        images, _ = scale.list_urls(f"{root}/images")
        with connected(2) as (cluster, client):
            with killing(cluster, 5, count * 0.008) as killed:
                spent, hurt = seconds(scale.fit, images, extract, client, plain, f"{root}/fit")
            print(f"fit, S3, two workers, killed at {killed} of {spent:.0f} s: {same(one, hurt)}")
            stop(client, images, extract, plain, f"{root}/stop", spent / 2)
            spent, again = seconds(scale.fit, images, extract, client, plain, f"{root}/stop")
            print(
                f"fit, S3, stopped half-way and started again: {again.n_found} of "
                f"{-(-count // 512)} partitions were there, {spent:.0f} s: {same(one, again)}"
            )
            with killing(cluster, 5, count * 0.008) as killed:
                spent, table = seconds(scores, images, model, client, f"{root}/scores")
            equal = table.drop(columns="path").equals(alone.drop(columns="path"))
            print(f"score, S3, two workers, killed at {killed} of {spent:.0f} s: {equal}")


def scores(images, model: bytes, client, folder: str | None):
    """Return the table of scores."""
    return scale.score(images, model, client, folder).compute(scheduler="synchronous")


def stop(client, images, extract, detector, folder: str, after: float) -> None:
    """Begin a fit, and stop it after some seconds, as Ctrl-C does."""
    timer = threading.Timer(after, _thread.interrupt_main)
    timer.start()
    try:
        scale.fit(images, extract, client, detector, folder)
    except KeyboardInterrupt:
        pass
    finally:
        timer.cancel()


def speed(count: int, side: int) -> None:
    """Compare one worker with two, and with a plain loop in this process; files on this disk."""
    extract = ad.Extractor(weights="builtin", engine="tflite", input_size=side)
    with tempfile.TemporaryDirectory() as root:
        write_images(f"{root}/images", count, side)
        images, _ = scale.list_urls(f"{root}/images")
        for words, detector in (
            ("pooled", ad.MahalanobisDetector(threshold=None)),
            ("local", ad.LocalDetector(threshold=None)),
        ):
            loop, _ = seconds(scale.fit, images, extract, None, detector)
            times = {}
            for workers in (1, 2):
                with connected(workers) as (_, client):
                    scale.fit(images[: 128 * workers], extract, client, detector, None, 128)
                    times[workers], fitted = seconds(scale.fit, images, extract, client, detector)
            model = ad.export.build(extract.model, fitted.detector)
            print(
                f"fit {words}, {count} images of {side} pixels: loop {loop:.1f} s, one worker "
                f"{times[1]:.1f} s ({times[1] / loop - 1:+.0%}), two {times[2]:.1f} s "
                f"({times[1] / times[2]:.2f} times faster than one)"
            )
        loop, _ = seconds(scores, images, model, None, None)
        for workers in (1, 2):
            with connected(workers) as (_, client):
                scores(images[: 128 * workers], model, client, None)
                times[workers], _ = seconds(scores, images, model, client, None)
        print(
            f"score local: loop {loop:.1f} s, one worker {times[1]:.1f} s "
            f"({times[1] / loop - 1:+.0%}), two {times[2]:.1f} s ({times[1] / times[2]:.2f} times)"
        )


def partitions() -> None:
    """Measure what a task costs the engine, and from it the overhead by size of partition."""
    with connected(1) as (cluster, client):
        engine.in_parallel(client, len, ["warm"] * 100, "warm")
        scheduler = psutil.Process(cluster.scheduler.pid)
        images = [
            scale.Source(f"s3://line/images/{i:09}.png", f"7559 {i:032x}") for i in range(512)
        ]
        for size in (1, 128, 512):
            before = scheduler.memory_info().rss
            spent, _ = seconds(engine.in_parallel, client, len, [images[:size]] * 500, "tasks")
            grown = (scheduler.memory_info().rss - before) / 1e6
            print(f"500 tasks of {size} images: {2 * spent:.2f} ms each; scheduler {grown:+.1f} MB")
        before = scheduler.memory_info().rss
        futures = client.map(time.sleep, [0.0] * 5000, pure=False)
        client.gather(futures)
        grown = scheduler.memory_info().rss - before
        print(f"scheduler, 5,000 tasks all held at once: {grown / 5000 / 1e3:.2f} kB a task")


def join() -> None:
    """Join real moments under many names: what a partition adds."""
    extract = ad.Extractor(weights="builtin", engine="tflite")
    with tempfile.TemporaryDirectory() as root:
        write_images(f"{root}/images", 128, 224)
        images, _ = scale.list_urls(f"{root}/images")
        for words, detector in (
            ("pooled", ad.MahalanobisDetector(threshold=None)),
            ("local", ad.LocalDetector(threshold=None)),
        ):
            folder = f"{root}/{words}"
            scale.fit(images, extract, None, detector, folder)
            (file,) = Path(f"{folder}/fit").glob("*.npz")
            print(f"{words}: {file.stat().st_size / 1e6:.1f} MB of sums a partition")
            for count in (10, 100, 1000, 10000) if words == "pooled" else (10, 100):
                spent, _ = seconds(join_of_copies, f"{folder}/fit", file, count)
                print(f"  {count} partitions: {spent:.1f} s, {1e3 * spent / count:.0f} ms each")


def join_of_copies(folder: str, file: Path, count: int) -> str:
    """Join many names of one file of sums, in this process."""
    names = [f"{file.stem}-{count}-{i}" for i in range(count)]
    for name in names:
        Path(folder, f"{name}.npz").symlink_to(file)
    result = fitting.joined(None, folder, names)
    for path in Path(folder).glob("*.npz"):
        if path != file:
            path.unlink()
    return result


def memory(count: int) -> None:
    """Print the most memory that a worker has while it fits and scores, B0 at 224 pixels."""
    extract = ad.Extractor(weights="builtin", engine="tflite")
    with tempfile.TemporaryDirectory() as root:
        write_images(f"{root}/images", count, 224)
        images, _ = scale.list_urls(f"{root}/images")
        for words, detector in (
            ("pooled", ad.MahalanobisDetector()),
            ("local", ad.LocalDetector()),
        ):
            with connected(1) as (cluster, client):
                (worker,) = cluster.workers
                print(f"{words}: {peak(worker.pid):.0f} MB before", end="", flush=True)
                scale.fit(images, extract, client, detector)
                print(f", {peak(worker.pid):.0f} MB at the most in fit and score")


def peak(pid: int) -> float:
    """Return the most memory that a process has had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["equal", "speed", "partitions", "join", "memory"])
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--side", type=int, default=None, help="of the images, in pixels")
    options = parser.parse_args()
    steps = {
        "equal": lambda: equal(options.images or 20000, options.side or 64),
        "speed": lambda: speed(options.images or 2048, options.side or 224),
        "partitions": partitions,
        "join": join,
        "memory": lambda: memory(options.images or 1024),
    }
    steps[options.what]()


if __name__ == "__main__":
    main()
