"""Reports of stored exams over the socket, and only there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from edge.page.api import Api
from edge.page.app import app_from_api
from edge.page.entrance import LOOPBACK_NAMES, Entrance
from edge.page.lanes import Lanes
from edge.page.stream import Views
from edge.service.exam_reports import ExamReports
from edge.store import Store
from tests.edge.page.asking import TOKEN, Reply, ask
from tests.edge.page.conftest import Apps
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.edge.reports.exams import stored
from tests.edge.stored import opened


@dataclass
class Reporting:
    """Both apps of a service that has exams.

    Attributes:
        store: with them.
        exam: the only one.
        unix: app of the socket.
        tcp: app of the page.
    """

    store: Store
    exam: str
    unix: ASGIApp
    tcp: ASGIApp

    def get(self, address: str) -> Reply:
        """An answer over the socket."""
        return ask(self.unix, "GET", address, host="localhost")


@pytest.fixture
def reporting(box: ScriptedBedside, tmp_path: Path) -> Iterator[Reporting]:
    lanes, faults = Lanes(), list[Exception]()
    with opened(tmp_path / "exams.db") as store:
        api = Api(box, Views(box.view, lanes, faults.append), lanes, time.monotonic, ExamReports(store))
        unix = app_from_api(api, Entrance("http", ("localhost",), 0, "", is_socket=True), None, faults.append)
        tcp = app_from_api(api, Entrance("http", LOOPBACK_NAMES, 8711, TOKEN), None, faults.append)
        yield Reporting(store, stored(store), unix, tcp)
    lanes.close()
    assert faults == []


def addresses(exam: str) -> tuple[str, ...]:
    return ("/api/exams", f"/api/exams/{exam}/report.json", f"/api/exams/{exam}/stored/2.jpg")


def test_the_socket_tells_of_the_exam_and_gives_its_pictures(reporting: Reporting) -> None:
    exams, report, picture = (reporting.get(address) for address in addresses(reporting.exam))
    assert exams.json == {"exams": [{"exam": reporting.exam, "events": 11, "is_ended": True}]}
    assert json.loads(report.body)["patient"] == "HN-2201"
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.body == reporting.store.jpeg(reporting.exam, 2)


def test_the_page_has_no_such_address(reporting: Reporting) -> None:
    for address in addresses(reporting.exam):
        assert ask(reporting.tcp, "GET", address).status == 404


@pytest.mark.parametrize(
    "address",
    [
        "/api/exams/none/report.json", "/api/exams/{exam}/stored/1.jpg", "/api/exams/{exam}/stored/0.jpg",
        "/api/exams/{exam}/stored/9999999999.jpg", "/api/exams/{exam}/stored/-1.jpg", "/api/exams/%2e%2e/report.json",
        "/api/exams/none/stored/2.jpg",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(reporting: Reporting, address: str) -> None:
    reply = reporting.get(address.format(exam=reporting.exam))
    assert reply.status == 404
    assert set(reply.json) == {"error", "cure", "exit_code", "word"}


def test_an_altered_exam_is_refused(reporting: Reporting) -> None:
    reporting.store._connection.execute("UPDATE events SET wall = '2020-01-01T00:00:00Z' WHERE sequence = 2")
    assert reporting.get(f"/api/exams/{reporting.exam}/report.json").status == 400


def test_a_plane_check_without_a_store_tells_of_no_exam(apps: Apps) -> None:
    assert ask(apps.unix, "GET", "/api/exams", host="localhost").status == 404
