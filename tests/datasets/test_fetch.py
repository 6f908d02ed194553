"""Fetching as a whole: sums, what is kept, what is said. Nothing leaves this machine."""

import hashlib
import io
import os
import shutil
import tarfile

import numpy as np
import pytest

from adhelpers.datasets import fetch, mvtec
from adhelpers.datasets.fetch import MVTEC_CATEGORIES, MVTEC_PAGE, MVTEC_SHA256, fetch_mvtec
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

NAMES = [
    f"{category}/{split}/000.png"
    for category in MVTEC_CATEGORIES
    for split in ("train/good", "test/good")
]


def tar(names):
    """Return the bytes of an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


ARCHIVE = tar(NAMES)
SUM = hashlib.sha256(ARCHIVE).hexdigest()
KEPT = f"archive-{SUM[:12]}"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "mvtec_ad"


@pytest.fixture
def official(monkeypatch):
    """Make the small archive the official one."""
    monkeypatch.setattr(fetch, "MVTEC_SHA256", SUM)


@pytest.fixture
def by_hand(tmp_path):
    """Return an archive fetched by hand."""
    path = tmp_path / "archive.tar.xz"
    path.write_bytes(ARCHIVE)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_download_all(serve, target):
    assert fetch_mvtec(target, url=serve(ARCHIVE).url, sha256=SUM) == target
    assert names(target) == sorted(MVTEC_CATEGORIES)
    assert mvtec.categories(target) == sorted(MVTEC_CATEGORIES)
    assert len(mvtec.load_mvtec(target, "zipper").train) == 1


def test_the_default_address(serve, target, official, monkeypatch):
    monkeypatch.setattr(fetch, "MVTEC_URL", serve(ARCHIVE).url)
    fetch_mvtec(target, sha256=SUM)
    assert names(target) == sorted(MVTEC_CATEGORIES)


def test_the_archive_is_kept_while_it_is_of_use(serve, target, official, capsys):
    site = serve(ARCHIVE)
    fetch_mvtec(target, ["screw", "bottle"], url=site.url, sha256=SUM)
    assert names(target) == sorted([KEPT, "bottle", "screw"])
    assert "kept for further categories" in capsys.readouterr().err
    fetch_mvtec(target, "wood", url=site.url, sha256=SUM)
    assert names(target) == sorted([KEPT, "bottle", "screw", "wood"])
    fetch_mvtec(target, url=site.url, sha256=SUM)
    assert names(target) == sorted(MVTEC_CATEGORIES)
    assert site.asked == [None]


def test_what_is_there_is_not_fetched_again(serve, target, official, capsys):
    site = serve(ARCHIVE)
    (target / "screw").mkdir(parents=True)
    fetch_mvtec(target, ["screw"], url=site.url, sha256=SUM)
    assert names(target) == ["screw"]
    assert site.asked == []
    assert "nothing to do" in capsys.readouterr().err


def test_by_hand(target, by_hand):
    fetch_mvtec(target, archive=by_hand, sha256=SUM.upper())
    assert names(target) == sorted(MVTEC_CATEGORIES)
    assert by_hand.read_bytes() == ARCHIVE


def test_an_archive_of_one_category(target, tmp_path):
    own = tmp_path / "screw.tar.xz"
    own.write_bytes(tar(name for name in NAMES if name.startswith("screw")))
    fetch_mvtec(target, archive=own, sha256=hashlib.sha256(own.read_bytes()).hexdigest())
    assert names(target) == ["screw"]


def test_a_wrong_sum_of_a_download(serve, target):
    site = serve(ARCHIVE)
    with pytest.raises(UserError, match="it was removed") as caught:
        fetch_mvtec(target, url=site.url)
    for needed in (SUM, MVTEC_SHA256, MVTEC_PAGE, "--archive FILE"):
        assert needed in str(caught.value)
    assert not target.exists()


def test_a_wrong_sum_of_an_archive_by_hand(target, by_hand):
    with pytest.raises(UserError, match=f"{SUM}, expected {MVTEC_SHA256}.*--sha256 {SUM}"):
        fetch_mvtec(target, archive=by_hand)
    assert not target.exists()
    assert by_hand.read_bytes() == ARCHIVE


def test_a_file_that_changes_between_two_tries(serve, target):
    """The part of one and the rest of the other are no archive: nothing of it is kept."""
    site = serve(bytes(len(ARCHIVE)), cuts=[len(ARCHIVE) // 2])

    class Changing(bytes):
        def __getitem__(self, key):
            site.content = ARCHIVE
            return super().__getitem__(key)

    site.content = Changing(site.content)
    with pytest.raises(UserError, match=f"expected {SUM}: it was removed; try again"):
        fetch_mvtec(target, url=site.url, sha256=SUM)
    assert len(site.asked) == 2
    assert not target.exists()


def test_a_pipe_in_the_archives_place(serve, target):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes in this system's folders")
    target.mkdir(parents=True)
    os.mkfifo(target / KEPT)
    with pytest.raises(UserError, match="not an ordinary file"):
        fetch_mvtec(target, url=serve(ARCHIVE).url, sha256=SUM)


def test_a_moved_link(serve, target):
    site = serve(ARCHIVE, statuses=[404])
    with pytest.raises(UserError) as caught:
        fetch_mvtec(target, url=site.url)
    needed = ("404", "mvtec_anomaly_detection.tar.xz", MVTEC_PAGE, "fetch mvtec --archive FILE")
    for text in (*needed, MVTEC_SHA256):
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("content", [ARCHIVE[: len(ARCHIVE) // 2], tar([*NAMES, "../evil"])])
def test_a_bad_archive_with_the_right_sum(target, tmp_path, content):
    bad = tmp_path / "bad.tar.xz"
    bad.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.tar\.xz"):
        fetch_mvtec(target, archive=bad, sha256=hashlib.sha256(content).hexdigest())
    assert not target.exists()
    assert names(tmp_path) == ["bad.tar.xz", "data"]


def test_ctrl_c_while_unpacking_keeps_the_archive_alone(serve, target, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    site = serve(ARCHIVE)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copyfileobj", stop)
        fetch_mvtec(target, url=site.url, sha256=SUM)
    assert names(target) == [KEPT]
    assert "complete and kept" in capsys.readouterr().err
    fetch_mvtec(target, url=site.url, sha256=SUM)
    assert names(target) == sorted(MVTEC_CATEGORIES)
    assert site.asked == [None]


def test_a_disk_that_fills_up(target, by_hand, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(UserError, match="No space left on device"):
        fetch_mvtec(target, archive=by_hand, sha256=SUM)
    assert not target.exists()


def test_a_target_that_is_a_file(target, by_hand):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(UserError, match="mvtec_ad cannot be read or written"):
        fetch_mvtec(target, archive=by_hand, sha256=SUM)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"categories": ["botle"]}, "no botle: choose among bottle, cable"),
        ({"sha256": "cf43"}, "expected 64 hexadecimal digits"),
        ({"url": "http://127.0.0.1:1/", "archive": "a"}, "one of --url and --archive"),
        ({"archive": "nowhere.tar.xz"}, "no archive nowhere.tar.xz: download .* by hand"),
        ({"archive": "."}, "is a folder.*--data_path"),
        ({"archive": "/dev/zero"}, "not an ordinary file|there is no archive"),  # by the system
        ({"url": "http://["}, "not an address that can be asked.*by hand"),
        ({"url": "file:///a.tar.xz"}, "expected http.*by hand"),
    ],
)
def test_arguments_that_make_no_sense(target, arguments, complaint):
    with pytest.raises(UserError, match=complaint):
        fetch_mvtec(target, **arguments)
    assert not target.exists()


def test_the_bar_and_the_notes_stay_out_of_the_output(target, by_hand, capsys):
    fetch_mvtec(target, archive=by_hand, sha256=SUM)
    assert capsys.readouterr().out == ""


def test_the_facts():
    assert len(set(MVTEC_CATEGORIES)) == 15
    assert np.array_equal(sorted(MVTEC_CATEGORIES), MVTEC_CATEGORIES)
    assert len(bytes.fromhex(MVTEC_SHA256)) == 32
