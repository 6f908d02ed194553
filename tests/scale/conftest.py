"""A real S3 server, and a scheduler with two workers, for all tests of this room."""

from types import SimpleNamespace

import fsspec
import pytest
from networks import small_backbone
from pictures import draw_image, write_image
from scale_cluster import Cluster, storage_server

from adhelpers import Origin, backbones, scale

N_IMAGES = 300  # three blocks, the last not full


@pytest.fixture(scope="session")
def network():
    """What `fit` takes of an extractor: a small network's model, its levels and origin."""
    backbone = small_backbone()
    origin = Origin("small", backbone.weights, 32, "square", "tflite", "float32")
    return SimpleNamespace(model=backbones.convert(backbone), levels=backbone.levels, origin=origin)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Images on this disk; two of them are equal, and one is broken."""
    folder = tmp_path_factory.mktemp("line")
    for i in range(N_IMAGES - 2):
        write_image(folder / f"camera{i % 2}" / f"{i:03}.png", draw_image(i, size=40))
    (folder / "camera0" / "copy.png").write_bytes((folder / "camera1" / "005.png").read_bytes())
    (folder / "camera1" / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="session")
def bucket(folder):
    """The same images in a bucket; the environment has its credentials."""
    with storage_server() as root:
        fsspec.filesystem("s3").put(f"{folder}/", f"{root}/images/", recursive=True)
        yield root


@pytest.fixture(scope="session")
def cluster(bucket, tmp_path_factory):
    """A scheduler and two workers."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for _ in range(2):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def client(cluster):
    with scale.connect(cluster.address) as client:
        client.wait_for_workers(2, timeout=30)
        yield client
