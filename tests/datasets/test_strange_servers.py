"""Servers that answer with anything: one line each, in time, and a part that is kept stays."""

import socketserver
import threading
import time
from itertools import chain, repeat

import pytest

from adhelpers.datasets import asking
from adhelpers.datasets import download as module
from adhelpers.datasets.download import download
from adhelpers.ground import UserError

pytestmark = pytest.mark.trouble

CONTENT = bytes(range(256)) * 8
OK, PARTIAL = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 Partial Content\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MANY = b"x" * 4096
TOO_SLOW = "less than 100000 bytes of the file in 0.1 seconds"


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        request = b""
        while b"\r\n\r\n" not in request and (some := self.request.recv(4096)):
            request += some
        self.server.asked.append(request)
        try:
            for piece in self.server.answer():
                if isinstance(piece, float):
                    time.sleep(piece)
                else:
                    self.request.sendall(piece)
        except OSError:  # the client has given up
            pass


@pytest.fixture
def answering(monkeypatch):
    """Return a function that starts a server which answers with pieces, and pauses in seconds."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(answer):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.answer, server.asked = answer, []
        server.url = f"http://127.0.0.1:{server.server_address[1]}/file"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10**6)
    monkeypatch.setattr(asking, "LEAST", 100_000)


def head(status, *headers):
    return status + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def redirection(address):
    return head(b"HTTP/1.1 302 Found\r\n", b"Location: " + address)


def for_ever(start, piece):
    return lambda: chain([start], repeat(piece))


def dripping(start, piece):
    """Return an answer of which a piece comes every hundredth of a second."""
    return lambda: chain([start], *repeat((piece, 0.01), 1000))


#: What the server sends, and what is said of it. Nothing of the file is in it.
NO_FILE = {
    "nothing": (lambda: [], "could not be fetched"),
    "nonsense": (lambda: [b"nonsense\r\n"], "could not be fetched"),
    "zeros": (lambda: [bytes(10_000)], "could not be fetched"),
    "half a status": (lambda: [b"HTTP/1.1 2"], "could not be fetched"),
    "a status of words": (lambda: [b"HTTP/1.1 abc OK\r\n\r\n"], "could not be fetched"),
    "status 103": (lambda: [head(b"HTTP/1.1 103 Hints\r\n")], "103"),
    "status 404 in many words": (lambda: [head(b"HTTP/1.1 404 " + MANY + b"\r\n")], "404"),
    "status 503 without end": (for_ever(b"HTTP/1.1 503 Busy\r\n\r\n", MANY), "503"),
    "a web page": (lambda: [head(OK, b"Content-Type: text/html"), MANY], "web page"),
    "206 without a range": (lambda: [head(PARTIAL)], "got ''"),
    "a header without end": (for_ever(OK + b"X: ", MANY), "could not be fetched"),
    "headers without end": (for_ever(OK, b"X: y\r\n"), "could not be fetched"),
    "a status without end": (for_ever(b"HTTP/1.1 200 ", MANY), "could not be fetched"),
    "100 for ever": (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), TOO_SLOW),
    "100 for ever, slowly": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), TOO_SLOW),
    "a status in drips": (dripping(b"HTTP/1.1 200 ", b"x"), TOO_SLOW),
    "a header in drips": (dripping(OK + b"X: ", b"x"), TOO_SLOW),
    "a length of 10^17": (lambda: [head(OK, b"Content-Length: 1" + b"0" * 17)], "too many"),
    "redirection in a circle": (lambda: [redirection(b"/file")], "infinite loop"),
    "redirection on and on": (
        lambda: [redirection(b"/%d" % time.monotonic_ns())],
        "infinite loop",
    ),
    "redirection without end": (for_ever(redirection(b"/file"), MANY), "infinite loop"),
    "redirection to nowhere": (lambda: [head(b"HTTP/1.1 302 Found\r\n")], "302"),
}

LENGTHS = [b"abc", b"9" * 5000, b"-5", b"+5", b"1_0", b"5, 5", b"0x10", b"", b"\xb2"]

RANGES = [
    *(b"bytes 7-8/9", b"bytes 0-1/*", b"bytes */9", b"bytes 2-1/9", b"lines 0-1/2"),
    *(b"bytes -1-1/2", b"bytes 0-1/2/3", b"bytes 0001000-1/2", b"bytes 99999999999-1/2"),
]

REDIRECTIONS = {
    b"file:///etc/hostname": "not allowed",
    b"data:text/plain,x": "not allowed",
    b"javascript:x": "not allowed",
    b"ftp://127.0.0.1:1/a": "expected http",
    b"http://[": "leads to none",
    b"http://[::x]/": "leads to none",
    b"http://" + b"x" * 70 + b".org/": "leads to none",
    b"http://.org/": "leads to none",
    b"http://127.0.0.1:port/": "leads to none",
    b"http://127.0.0.1:99999/": "leads to none",
    b"http:///": "infinite loop",
}

for length in LENGTHS:
    answer = [head(OK, b"Content-Length: " + length), CONTENT]
    NO_FILE[f"length {length[:9]!r}"] = (answer.copy, "as the file's length")
for extent in RANGES:
    answer = [head(PARTIAL, b"Content-Range: " + extent), b"xx"]
    NO_FILE[f"range {extent.decode()}"] = (answer.copy, "asked for bytes from")
for address, complaint in REDIRECTIONS.items():
    answer = [redirection(address)]
    NO_FILE[f"redirection to {address[:20].decode()}"] = (answer.copy, complaint)

#: The same, with something in it that could be the file.
SOME_FILE = {
    "a cut file": (lambda: [head(OK, b"Content-Length: 5"), b"xx"], "cut off after 2 of 5"),
    "drips": (dripping(OK + b"\r\n", b"x"), TOO_SLOW),
    "drips of a length": (dripping(head(OK, b"Content-Length: 999"), b"x"), TOO_SLOW),
    "chunks in drips": (dripping(CHUNKED, b"1\r\nx\r\n"), TOO_SLOW),
    "a chunk's size in drips": (dripping(CHUNKED, b"0"), TOO_SLOW),
    "a file without end": (for_ever(OK + b"\r\n", MANY), "too many"),
    "chunks without end": (for_ever(CHUNKED, b"1000\r\n" + MANY + b"\r\n"), "too many"),
    "a chunk without end": (for_ever(CHUNKED + b"F" * 99 + b"\r\n", MANY), "too many"),
    "a chunk's size without end": (for_ever(CHUNKED, MANY), "could not be fetched"),
    "trailers without end": (for_ever(CHUNKED + b"0\r\n", b"X: y\r\n" * 50), TOO_SLOW),
    "no chunks": (lambda: [CHUNKED, CONTENT], "could not be fetched"),
    "half a chunk": (lambda: [CHUNKED, b"1000\r\nx"], "could not be fetched"),
    "a chunk of less than nothing": (lambda: [CHUNKED, b"-5\r\nxxxxx\r\n"], "fetched"),
}


def complaint_about(url, path, window=5.0):
    """Return what is said of a download that fails: in one short line, and in time."""
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        download(url, path, timeout=5, window=window, pause=lambda _: None)
    assert time.monotonic() - start < 20  # of four windows
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).count("not an address") < 2
    return str(caught.value)


@pytest.mark.parametrize("kept", [b"", CONTENT[:1000]], ids=["anew", "resumed"])
@pytest.mark.parametrize(("answer", "complaint"), NO_FILE.values(), ids=NO_FILE)
def test_no_file(answering, tmp_path, answer, complaint, kept):
    if kept:
        (tmp_path / "a.part").write_bytes(kept)
    window = 0.1 if complaint == TOO_SLOW else 5.0
    said = complaint_about(answering(answer).url, tmp_path / "a", window)
    assert complaint in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {"a.part": kept} if kept else {}
    )
    assert ("first 1000 bytes are kept" in said) == bool(kept)


@pytest.mark.parametrize(("answer", "complaint"), SOME_FILE.values(), ids=SOME_FILE)
def test_some_of_a_file(answering, tmp_path, answer, complaint):
    window = 0.1 if complaint == TOO_SLOW else 5.0
    said = complaint_about(answering(answer).url, tmp_path / "a", window)
    assert complaint in said
    for path in tmp_path.iterdir():
        assert path.name == "a.part"
        assert f"first {path.stat().st_size} bytes are kept" in said
        assert path.stat().st_size < 10_000  # of what has no end, nothing is kept


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://127.0.0.1:1/grün.tar.xz", "not an address that can be asked"),
        ("http://" + "x" * 70 + ".org/", "not an address that can be asked"),
        ("http://ü" + "x" * 70 + ".org/", "not an address that can be asked"),
        ("http://[", "not an address that can be asked"),
        ("http://127.0.0.1:port/", "not an address that can be asked"),
        ("http://127.0.0.1:99999/", "not an address that can be asked"),
        ("http://127.0.0.1:1/a\nb", "not an address that can be asked"),
        ("http://127.0.0.1:1/a b", "not an address that can be asked"),
        ("http://127.0.0.1:1/" + "x" * 10_000, "could not be fetched"),
        ("http://", "expected http"),
        ("http://127.0.0.1:0/", "expected http"),
        ("http:/127.0.0.1/", "expected http"),
        ("http://\udcfc.org/", "not an address that can be asked"),
        ("", "expected http"),
        ("data:text/plain,x", "expected http"),
    ],
)
def test_addresses(tmp_path, url, complaint):
    assert complaint in complaint_about(url, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_what_came_slowly_is_kept_and_the_rest_follows(answering, serve, tmp_path):
    slow = answering(lambda: chain([head(OK, b"Content-Length: 2048")], *drips(CONTENT)))
    said = complaint_about(slow.url, tmp_path / "a", window=0.6)
    part = (tmp_path / "a.part").read_bytes()
    assert 0 < len(part) < len(CONTENT)
    assert CONTENT.startswith(part)
    assert f"first {len(part)} bytes are kept" in said
    download(serve(CONTENT).url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def drips(content):
    return ((content[i : i + 1], 0.01) for i in range(len(content)))


def test_a_slow_server_that_brings_enough_is_waited_for(answering, tmp_path):
    answer = [head(OK, b"Content-Length: 900000"), *(bytes(50_000), 0.05) * 18]
    download(answering(answer.copy).url, tmp_path / "a", window=0.6, pause=pytest.fail)
    assert (tmp_path / "a").stat().st_size == 900_000


def test_a_part_that_is_complete_needs_nothing(answering, tmp_path):
    """Nothing can be sent from its end on (RFC 9110, 15.5.17)."""
    (tmp_path / "a.part").write_bytes(CONTENT)
    answer = head(b"HTTP/1.1 416 Range Not Satisfiable\r\n", b"Content-Range: bytes */2048")
    download(answering([answer].copy).url, tmp_path / "a", pause=pytest.fail)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_file_in_chunks(answering, tmp_path):
    answer = [CHUNKED, b"800\r\n" + CONTENT + b"\r\n0\r\n\r\n"]
    download(answering(answer.copy).url, tmp_path / "a", pause=pytest.fail)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_more_than_the_length_is_not_taken(answering, tmp_path):
    answer = [head(OK, b"Content-Length: 2048"), CONTENT + MANY]
    download(answering(answer.copy).url, tmp_path / "a", pause=pytest.fail)
    assert (tmp_path / "a").read_bytes() == CONTENT
