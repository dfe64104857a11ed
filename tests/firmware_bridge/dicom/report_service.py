"""The addresses of the plane check that the outbox asks, over a real store, for the tests of the sending side."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

from edge.errors import EdgeError
from edge.service.exam_reports import ExamReports
from edge.store_reader import open_reader

REPORT = re.compile(r"/api/exams/([^/]+)/report\.json")
STORED = re.compile(r"/api/exams/([^/]+)/stored/([0-9]+)\.jpg")


def answer(reports: ExamReports, address: str) -> bytes:
    """What the service answers.

    Raises:
        EdgeError: there is no such exam or picture.
    """
    if address == "/api/exams":
        return reports.exams()
    if found := REPORT.fullmatch(address):
        return reports.report(found[1])
    if found := STORED.fullmatch(address):
        return reports.stored(found[1], int(found[2]))
    raise AssertionError(address)


@contextmanager
def report_service(store: Path, path: Path) -> Iterator[None]:
    """Serve a store behind a Unix socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, body = 200, answer(reports, self.path)
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

    with open_reader(store) as reader, ThreadingUnixStreamServer(str(path), Handler) as server:
        reports = ExamReports(reader)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
