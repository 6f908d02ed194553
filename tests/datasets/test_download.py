"""Downloading from a server with faults. Every test looks at what is left in the folder."""

import http.client
import shutil
import ssl
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from adhelpers.datasets.download import WAITS, download
from adhelpers.ground import UserError, forget, temporary_path

pytestmark = pytest.mark.trouble

CONTENT = np.random.default_rng(0).bytes(300_000)


def files(folder):
    """Return the content of every file in `folder` by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def never(seconds):
    pytest.fail("waited to try again, though that cannot help")


def test_download(serve, tmp_path):
    site = serve(CONTENT)
    download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == [None]


def test_a_kept_part_is_resumed(serve, tmp_path):
    site = serve(CONTENT)
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == ["bytes=1000-"]


def test_a_cut_connection_is_resumed(serve, tmp_path):
    site = serve(CONTENT, cuts=[100_000, 50_000])
    waits = []
    download(site.url, tmp_path / "a", pause=waits.append)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert waits == list(WAITS[:2])


def test_a_server_without_ranges_sends_all_again(serve, tmp_path):
    site = serve(CONTENT, cuts=[100_000], ranges=False)
    download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == [None, "bytes=100000-"]


def test_another_range_than_asked_for_is_not_appended(serve, tmp_path):
    site = serve(CONTENT, shift=7)
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_started_over(serve, tmp_path):
    site = serve(CONTENT)
    site.cuts = [100_000]
    (tmp_path / "a.part").write_bytes(CONTENT + b"of another file")
    download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a": CONTENT}
    assert site.asked == [f"bytes={len(CONTENT) + 15}-", None, "bytes=100000-"]


def test_another_download_is_left_alone_and_what_a_kill_left_is_not(serve, tmp_path):
    (tmp_path / "b.part").write_bytes(b"mine")
    leftover = temporary_path(tmp_path / "unpacked")
    leftover.mkdir()
    forget(leftover)
    download(serve(CONTENT).url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a": CONTENT, "b.part": b"mine"}


def test_every_attempt_cut(serve, tmp_path):
    site = serve(CONTENT, cuts=[10_000] * (len(WAITS) + 1))
    with pytest.raises(UserError, match=r"first 40000 bytes are kept in .*a\.part"):
        download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a.part": CONTENT[:40_000]}


def test_a_silent_server_times_out(serve, tmp_path):
    site = serve(CONTENT, silence=1)
    with pytest.raises(UserError, match="timed out"):
        download(site.url, tmp_path / "a", timeout=0.05, pause=lambda _: None)
    assert files(tmp_path) == {}
    assert len(site.asked) == len(WAITS) + 1


def test_a_refusal_is_not_tried_again_and_leaves_a_part_alone(serve, tmp_path):
    site = serve(CONTENT, statuses=[404])
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    with pytest.raises(UserError, match=r"404.*first 1000 bytes are kept"):
        download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a.part": CONTENT[:1000]}


@pytest.mark.parametrize("status", [500, 503, 0])
def test_a_troubled_server_is_tried_again(serve, tmp_path, status):
    site = serve(CONTENT, statuses=[status])
    download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a": CONTENT}
    assert len(site.asked) == 2


def test_a_broken_encryption_is_tried_again(serve, tmp_path, monkeypatch):
    site = serve(CONTENT)
    read = http.client.HTTPResponse.read1

    def read_after_one_failure(answer, amount):
        if len(site.asked) == 1:
            raise ssl.SSLEOFError
        return read(answer, amount)

    monkeypatch.setattr(http.client.HTTPResponse, "read1", read_after_one_failure)
    download(site.url, tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {"a": CONTENT}
    assert len(site.asked) == 2


def test_a_web_page_is_no_file_and_leaves_a_part_alone(serve, tmp_path):
    site = serve(b"<html>This share has expired</html>", ranges=False, content_type="text/html")
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    with pytest.raises(UserError, match="web page"):
        download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a.part": CONTENT[:1000]}


def test_too_little_room_is_found_before_downloading(serve, tmp_path, monkeypatch):
    site = serve(CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) - 1))
    with pytest.raises(UserError, match=r"300000 bytes, but the disk .* has 299999 free"):
        download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {}
    (tmp_path / "a.part").write_bytes(CONTENT[:1])  # of which one byte is there already
    download(site.url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {"a": CONTENT}


def test_no_server(tmp_path):
    with pytest.raises(UserError, match="could not be fetched"):
        download("http://127.0.0.1:1/file", tmp_path / "a", pause=lambda _: None)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "archive.tar.xz"])
def test_only_web_addresses(tmp_path, url):
    with pytest.raises(UserError, match="expected http"):
        download(url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_fills_up_meanwhile(serve, tmp_path):
    (tmp_path / "a.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot be written.*No space left"):
        download(serve(CONTENT).url, tmp_path / "a", pause=never)
    assert files(tmp_path) == {}


def test_ctrl_c_keeps_the_part_and_says_so(serve, tmp_path, capsys):
    def stop(seconds):
        raise KeyboardInterrupt

    site = serve(CONTENT, cuts=[100_000])
    with pytest.raises(KeyboardInterrupt):
        download(site.url, tmp_path / "a", pause=stop)
    assert files(tmp_path) == {"a.part": CONTENT[:100_000]}
    assert "100000 bytes are kept" in capsys.readouterr().err
