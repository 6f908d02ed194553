"""A web server on this machine whose faults can be chosen."""

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Site:
    """One file on the server, how the server misbehaves, and which ranges it was asked for."""

    content: bytes
    ranges: bool = True
    content_type: str = "application/octet-stream"
    statuses: list[int] = field(default_factory=list)  # of the first answers; 0: nonsense
    cuts: list[int] = field(default_factory=list)  # bytes after which the first answers break off
    silence: float = 0  # seconds to wait within each answer
    shift: int = 0  # by how much the ranges that are sent miss those asked for
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        asked = self.headers.get("Range")
        site.asked.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and site.ranges else 0
        start += site.shift if start else 0
        total = len(site.content)
        if site.statuses:
            status = site.statuses.pop(0)
            self.send_error(status) if status else self.wfile.write(b"nonsense\r\n")
            return
        if start >= total:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Type", site.content_type)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        time.sleep(site.silence)
        stop = start + site.cuts.pop(0) if site.cuts else total
        self.wfile.write(site.content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    """Return a function that serves some bytes and returns their `Site`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(content, **faults):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.site = Site(content, **faults)
        server.site.url = f"http://127.0.0.1:{server.server_port}/file"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
