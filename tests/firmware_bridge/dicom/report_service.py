"""The addresses of the plane check that the outbox asks, over a real store, for the tests of the sending side."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

from edge.errors import EdgeError
from edge.exam_replay import stored_exam
from edge.reports.gather import report_from_store
from edge.reports.schema_json import bytes_from_document
from edge.store_reader import open_reader

REPORT = re.compile(r"/api/exams/([^/]+)/report\.json")
STORED = re.compile(r"/api/exams/([^/]+)/stored/([0-9]+)\.jpg")


def answer(store: Path, address: str) -> bytes:
    """What the service answers.

    Raises:
        EdgeError: there is no such exam or picture.
    """
    with open_reader(store) as reader:
        if address == "/api/exams":
            marks = []
            for one in reader.exams():
                ended = stored_exam(reader, one.exam).exam.phase == "ended"
                marks.append({"exam": one.exam, "events": one.events, "is_ended": ended})
            return json.dumps({"exams": marks}).encode()
        if found := REPORT.fullmatch(address):
            return bytes_from_document(report_from_store(reader, found[1]).document)
        if found := STORED.fullmatch(address):
            return reader.jpeg(found[1], int(found[2]))
    raise AssertionError(address)


@contextmanager
def report_service(store: Path, path: Path) -> Iterator[None]:
    """Serve a store behind a Unix socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, body = 200, answer(store, self.path)
            except EdgeError:
                status, body = 404, b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def address_string(self) -> str:
            return "socket"

    with ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
