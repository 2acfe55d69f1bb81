"""A small web server for the origin contract: objects in a dict, ranges, ETags, If-Match, and three ways to list.

It is a web server first; asked for ``/BUCKET?list-type=2`` it is just enough of S3 for obstore (signatures are not
looked at), and a directory gives the links that fsspec's HTTP file system reads.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class Web:
    """Objects by their path without the first slash, and what to leave out of answers."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    etag_prefix: str | None = ""
    """Put before each ETag, for example ``W/``. None: no ETag is given."""
    modified: float = 1_700_000_000.0

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        """The answer to a GET."""
        parts = urlsplit(target)
        path, query = unquote(parts.path).removeprefix("/"), parse_qs(parts.query)
        if "list-type" in query:
            return 200, {"Content-Type": "application/xml"}, self._s3_page(path, query.get("prefix", [""])[0])
        if path in self.objects:
            return self._object(self.objects[path], headers)
        links = self._links(f"{path.removesuffix('/')}/")
        return (200, {"Content-Type": "text/html"}, links) if links else (404, {}, b"")

    def _object(self, data: bytes, headers: dict[str, str]) -> Answer:
        fields = {"Last-Modified": formatdate(self.modified, usegmt=True), "Accept-Ranges": "bytes"}
        etag = self._etag(data)
        if etag is not None:
            fields["ETag"] = etag
        if headers.get("if-match", etag) != etag:
            return 412, fields, b""
        if found := _RANGE.fullmatch(headers.get("range", "")):
            start, stop = int(found[1]), min(int(found[2]) + 1, len(data))
            if start >= len(data):
                return 416, fields, b""
            return 206, fields | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}, data[start:stop]
        return 200, fields, data

    def _etag(self, data: bytes) -> str | None:
        if self.etag_prefix is None:
            return None
        return f'{self.etag_prefix}"{hashlib.md5(data).hexdigest()}"'

    def _s3_page(self, bucket: str, prefix: str) -> bytes:
        rows = [
            f"<Contents><Key>{escape(path.removeprefix(f'{bucket}/'))}</Key><Size>{len(data)}</Size>"
            f"<LastModified>2023-11-14T22:13:20.000Z</LastModified>"
            f"<ETag>{escape(self._etag(data) or '')}</ETag></Contents>"
            for path, data in sorted(self.objects.items())
            if path.startswith(f"{bucket}/{prefix}")
        ]
        body = f"<Name>{bucket}</Name><KeyCount>{len(rows)}</KeyCount><IsTruncated>false</IsTruncated>{''.join(rows)}"
        return f"<ListBucketResult>{body}</ListBucketResult>".encode()

    def _links(self, directory: str) -> bytes:
        below = {path[len(directory) :].partition("/") for path in self.objects if path.startswith(directory)}
        names = sorted({first + slash for first, slash, _ in below})
        return "".join(f'<a href="{quote(name)}">{escape(name)}</a>' for name in names).encode()


@contextmanager
def serving() -> Iterator[Web]:
    """A server for as long as the block lasts."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = web.answer(self.path, {name.lower(): v for name, v in self.headers.items()})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  # the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that stops reading is part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
