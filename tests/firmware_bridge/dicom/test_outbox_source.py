"""From ended exams to a receiver: which exams are gathered, whose names they get, and what the log may say."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest
from pydicom import dcmread

from edge.errors import PeerError, UsageError
from edge.exam_events import Confirmed, json_from_event, kind_from_event
from edge.exam_vault import made_vault
from edge.protocol import load_protocol
from edge.service.log import Log
from firmware_bridge.dicom import outbox_service
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_run import run_outbox
from firmware_bridge.dicom.outbox_schema import State
from firmware_bridge.dicom.outbox_service import OutgoingSettings, destination_from_text, open_outgoing
from firmware_bridge.dicom.outbox_source import (
    LOOK_BACK_S,
    ExamFaultError,
    Gatherer,
    get_from_socket,
    report_from_service,
)
from firmware_bridge.dicom.outbox_study import facts_from_document
from tests.edge.reports.exams import stored
from tests.edge.stored import opened
from tests.firmware_bridge.bridging import started
from tests.firmware_bridge.dicom.archives import archive, free_port, to_port
from tests.firmware_bridge.dicom.finished import made_up, outbox_at
from tests.firmware_bridge.dicom.report_service import report_service


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """Folder with a store, "exams.db", and its service behind "api.sock"."""
    with opened(tmp_path / "exams.db"):
        pass
    with report_service(tmp_path / "exams.db", tmp_path / "api.sock"):
        yield tmp_path


@pytest.fixture
def gatherer(served: Path) -> Iterator[Gatherer]:
    with outbox_at(served / "outbox.db") as outbox:
        yield Gatherer(outbox, get_from_socket(served / "api.sock"), ["pacs"], time.monotonic)


def until(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.02)


def test_an_ended_exam_is_gathered_once_and_a_running_one_is_not(served: Path, gatherer: Gatherer) -> None:
    with opened(served / "exams.db") as store:
        stored(store, ended=False)
        assert gatherer.gather() == (0, 0)
        stored(store)
    assert gatherer.gather() == (1, 0)
    assert gatherer.gather() == (0, 0)
    assert gatherer.outbox.counts("pacs").waiting == 7


def test_a_correction_after_the_end_sends_its_documents_again(served: Path, gatherer: Gatherer) -> None:
    with opened(served / "exams.db") as store:
        exam = stored(store)
        gatherer.gather()
        plane = report_from_service(gatherer.get, exam).document.rows[0].plane
        event = Confirmed(exam, 99.0, "2026-11-21T10:20:00Z", "op7", plane, 1)
        store.append(exam, kind_from_event(event), json_from_event(event), None)
    assert gatherer.gather() == (1, 0)
    assert gatherer.outbox.counts("pacs").waiting == 9


def test_an_exam_that_cannot_be_sent_holds_up_no_other(served: Path, gatherer: Gatherer) -> None:
    with opened(served / "exams.db") as store:
        first, _ = stored(store), stored(store)
    get = gatherer.get
    gatherer.get = lambda address: get(address).replace(b"HN-2201", b"HN\\\\22") if first in address else get(address)
    assert gatherer.gather() == (1, 1)
    assert gatherer.gather() == (0, 0)


def test_a_day_that_no_calendar_has_ends_no_bridge(served: Path, gatherer: Gatherer) -> None:
    with opened(served / "exams.db") as store:
        document = report_from_service(gatherer.get, stored(store)).document
        stored(store, protocol=load_protocol("prenatal21"))
    facts = replace(facts_from_document(document), study_uid=document.study, birth_date="19900231")
    gatherer.outbox.names.learn(facts)  # as an earlier version did
    assert gatherer.gather() == (0, 2)


def test_an_exam_over_which_the_service_fails_holds_up_no_other_and_is_asked_again(
    served: Path, gatherer: Gatherer
) -> None:
    with opened(served / "exams.db") as store:
        first, second = stored(store), stored(store)
    get = gatherer.get

    def failing(address: str) -> bytes:
        if first in address:
            raise ExamFaultError("The plane check answered 500.", "It is asked again.")
        return get(address)

    gatherer.get = failing
    with pytest.raises(ExamFaultError):
        gatherer.gather()
    assert gatherer.outbox.exams_held() == {second}
    gatherer.get = get
    assert gatherer.gather() == (1, 0)
    assert gatherer.outbox.exams_held() == {first, second}


def test_an_answer_of_500_is_about_one_exam(tmp_path: Path) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def address_string(self) -> str:
            return "socket"

    with ThreadingUnixStreamServer(str(tmp_path / "api.sock"), Failing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            with pytest.raises(ExamFaultError, match="500"):
                get_from_socket(tmp_path / "api.sock")("/api/exams/x/report.json")
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_is_away_is_waited_for(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db") as outbox, pytest.raises(PeerError):
        Gatherer(outbox, get_from_socket(tmp_path / "none.sock"), ["pacs"], time.monotonic).gather()


def test_a_deleted_exam_leaves_the_outbox_and_a_service_without_it_loses_nothing(
    served: Path, gatherer: Gatherer
) -> None:
    with opened(served / "exams.db") as store:
        first, second = stored(store), stored(store)
        gatherer.gather()
        outbox, get = gatherer.outbox, gatherer.get
        assert outbox.exams_held() == {first, second}
        store.delete(first, None)
        gatherer.gather()
        assert outbox.exams_held() == {first, second}  # not yet looked back
        gatherer.clock = lambda: time.monotonic() + LOOK_BACK_S
        gatherer.gather()
        assert outbox.exams_held() == {second}
        gatherer.clock = lambda: time.monotonic() + 2 * LOOK_BACK_S
        gatherer.get = empty_store
        gatherer.gather()
        assert outbox.exams_held() == frozenset()
        gatherer.get = get
        assert gatherer.gather() == (1, 0)
        assert outbox.exams_held() == {second}


def empty_store(address: str) -> bytes:
    """A service with another store, such as a demonstration's."""
    if address == "/api/exams":
        return b'{"exams": []}'
    raise UsageError("The plane check has no such exam.", "See: edge exam list.")


def test_an_exam_that_is_older_than_the_list_stays(served: Path, gatherer: Gatherer) -> None:
    with opened(served / "exams.db") as store:
        exam = stored(store)
    gatherer.gather()
    get = gatherer.get
    gatherer.get = lambda address: b'{"exams": []}' if address == "/api/exams" else get(address)
    gatherer.clock = lambda: time.monotonic() + LOOK_BACK_S
    gatherer.gather()
    assert gatherer.outbox.exams_held() == {exam}


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exam_that_ends_is_at_the_receiver_moments_later_and_the_log_names_nobody(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_service, "LOOK_S", 0.1)
    lines, faults = io.StringIO(), threading.Event()
    with archive(served / "pacs") as pacs:
        settings = OutgoingSettings(served / "outbox.db", served / "home", served / "api.sock", (to_port(pacs.port),))
        with open_outgoing(settings, Log(lines, lambda: "now"), faults.set) as outgoing:
            with opened(served / "exams.db") as store:
                stored(store)
            until(lambda: outgoing.counts()["pacs"]["delivered"] == 7)
        assert {str(dcmread(path).PatientID) for path in pacs.files} == {"HN-2201"}
    assert not faults.is_set()
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {event["event"] for event in events} >= {"exams_gathered", "objects_sent"}
    assert all("withheld" not in event for event in events)
    assert "HN-2201" not in lines.getvalue()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_dead_letters_are_revived_where_that_is_asked(tmp_path: Path) -> None:
    settings = OutgoingSettings(
        tmp_path / "outbox.db", tmp_path / "home", tmp_path / "none.sock", (to_port(free_port()),), retry_dead=True
    )
    with open_outbox(settings.outbox, made_vault(settings.home)) as outbox:
        outbox.put([made_up(1), made_up(2)], ["pacs", "gone"])
        for one in outbox.waiting("pacs", 9):
            outbox.settle(one.number, "pacs", State.DEAD, 0xA900)
    lines = io.StringIO()
    with open_outgoing(settings, Log(lines, lambda: "now"), lambda: None) as outgoing:
        assert outgoing.counts() == {"pacs": {"waiting": 2, "delivered": 0, "dead": 0}}
    assert {"time": "now", "event": "objects_wait_elsewhere", "missing": 2} in map(
        json.loads, lines.getvalue().splitlines()
    )


@pytest.mark.parametrize("options", [("--retry-dead",), ("--outbox", "x.db"), ("--send", "host:104")])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, _ = started("dicom", "--socket", tmp_path / "none.sock", *options)
    assert code == 2


def test_a_fault_of_the_program_is_told_and_raised_at_the_end(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(outbox_service, "run_outbox", broken)
    settings, faults = (
        OutgoingSettings(served / "outbox.db", served / "home", served / "api.sock", (to_port(104),)),
        threading.Event(),
    )
    with (
        pytest.raises(ZeroDivisionError),
        open_outgoing(settings, Log(io.StringIO(), lambda: "now"), faults.set),
    ):
        assert faults.wait(10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:104",
        "host:x:AE",
        "host:104:",
        ":104:AE",
        "h:0:AE",
        "h:104:" + "A" * 17,
        "h:" + "9" * 5000 + ":AE",
        "h" * 70 + ":104:AE",
    ],
)
def test_a_text_that_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        destination_from_text(text, "EDGE")


def test_a_destination_is_read_from_a_text() -> None:
    made = destination_from_text("[::1]:11112:ARCHIVE", "EDGE")
    assert (made.host, made.port, made.called, made.name) == ("::1", 11112, "ARCHIVE", "[::1]:11112:ARCHIVE")


def test_run_outbox_ends_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    with outbox_at(tmp_path / "outbox.db") as outbox:
        assert isinstance(outbox, Outbox)
        stop.set()
        run_outbox(outbox, [to_port(104)], stop, time.monotonic)
