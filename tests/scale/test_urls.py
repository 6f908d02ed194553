"""Which images: folders, patterns, lists, tables; on this disk and in a bucket."""

import hashlib

import pandas as pd
import pytest
from scale_cluster import SECRET

from adhelpers import UserError
from adhelpers.scale import list_urls
from adhelpers.scale.storage import reason, shown


@pytest.fixture(scope="module")
def paths(folder):
    return sorted(map(str, folder.rglob("*.png")))


def test_every_way_to_name_images_finds_the_same(folder, paths, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    pd.DataFrame({"url": paths}).to_csv(tmp_path / "list.csv")
    pd.DataFrame({"image": paths}).to_parquet(tmp_path / "list.parquet")
    whole, left_out = list_urls(folder)
    assert [image.url for image in whole] == paths
    assert left_out == ""
    assert list_urls(f"{folder}/*/*.png")[0] == whole
    assert list_urls([*reversed(paths), paths[0]])[0] == whole
    assert list_urls(tmp_path / "list.csv")[0] == whole
    assert list_urls(tmp_path / "list.parquet", "image")[0] == whole
    (tmp_path / "list.csv").unlink()
    (tmp_path / "list.parquet").unlink()
    found, left_out = list_urls([folder, tmp_path])
    assert (found, left_out) == (whole, "left out, as no images by their names: 1 .txt")


def test_a_bucket_lists_the_digests_of_its_files(bucket, folder, paths):
    images, _ = list_urls(f"{bucket}/images")
    assert [image.url for image in images] == [
        path.replace(str(folder), f"{bucket}/images") for path in paths
    ]
    for image, path in zip(images[:5], paths, strict=False):
        with open(path, "rb") as file:
            content = file.read()
        assert image.version == f'{len(content)} "{hashlib.md5(content).hexdigest()}"'
    assert list_urls(f"{bucket}/images/*/*.png")[0] == images
    assert list_urls([image.url for image in images])[0] == images


def test_what_cannot_be_listed_is_one_line(bucket, folder, tmp_path):
    pd.DataFrame({"a": ["x.png"], "b": [1]}).to_csv(tmp_path / "list.csv", index=False)
    pd.DataFrame({"url": ["x.png", None]}).to_csv(tmp_path / "gaps.csv")
    (tmp_path / "broken.parquet").write_bytes(b"none")
    for sources, words in [
        ("s3://there-is-none/images", "bucket does not exist"),
        (f"{bucket}/nothing", "there is no such folder"),
        (f"{bucket}/*.png", "no images"),
        (f"{folder}/*.jpg", "no images"),
        (f"{folder}/nothing", "No such file"),
        ([], "no images"),
        ("nowhere://a/b", "cannot be listed"),
        (tmp_path / "list.csv", "no column 'url'; choose one of: a, b"),
        (tmp_path / "gaps.csv", "1 of 2 cells of 'url' are no URLs, first in row 2"),
        (tmp_path / "broken.parquet", "cannot be read as a table"),
        (tmp_path / "none.csv", "cannot be read as a table"),
    ]:
        with pytest.raises(UserError, match=".") as error:
            list_urls(sources)
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_credentials_in_urls_are_not_shown():
    url = f"https://me:{SECRET}@host/a.png?X-Amz-Signature={SECRET}&x=1"
    assert shown(url) == "https://host/a.png"
    assert SECRET not in reason(OSError(f"cannot get {url}: refused"))
    assert shown("/a folder/what?.png") == "/a folder/what?.png"
