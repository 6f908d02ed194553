"""Packages of npm, from archives that are in the cache."""

import hashlib
import io
import shutil
import tarfile

import pytest

import adhelpers as ad
from adhelpers.export.npm import Package


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A package of one file, `@some/thing`, as npm would have packed it; and its archive."""
    monkeypatch.setenv("ADHELPERS_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    path = tmp_path / "some-thing-1.2.3.tgz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("package/dist/index.js")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"alert"))
    return Package("@some/thing", "1.2.3", hashlib.sha256(path.read_bytes()).hexdigest()), path


def test_an_archive_in_the_cache_needs_neither_npm_nor_a_network(cached):
    package, _ = cached
    assert package.files("dist/index.js") == [b"alert"]


def test_a_damaged_archive_is_refused_and_named(cached):
    package, path = cached
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ad.UserError, match=r"some-thing-1\.2\.3\.tgz: SHA-256 .* remove it"):
        package.files("dist/index.js")


def test_without_npm_a_line_says_what_to_put_where(cached):
    package, path = cached
    path.unlink()
    with pytest.raises(ad.UserError, match=r"`npm pack @some/thing@1\.2\.3`.*some-thing-1\.2\.3"):
        package.files("dist/index.js")
