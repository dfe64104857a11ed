"""The outbox against real receivers and their faults: everything arrives, and nothing twice."""

from __future__ import annotations

import gc
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.errors import UsageError
from edge.reports.gather import Report
from firmware_bridge.dicom import outbox_run
from firmware_bridge.dicom.images import SECONDARY_CAPTURE
from firmware_bridge.dicom.kos import KEY_OBJECTS
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_exam import outbox_from_exam, parcels_from_report
from firmware_bridge.dicom.outbox_run import Courier, Told, run_outbox
from firmware_bridge.dicom.outbox_schema import Counts, Parcel
from firmware_bridge.dicom.outbox_study import facts_from_document
from firmware_bridge.dicom.send import Destination, check_destination
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.firmware_bridge.dicom.archives import Archive, answering, archive, free_port, orthanc, rest, to_port
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.finished import errors_of, finished, named, peer_text

pytestmark = [
    pytest.mark.peer,
    # pynetdicom 3.0.4 leaves a socket that could not connect to the collector, which closes it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return finished(tmp_path_factory.mktemp("exam"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits of a test's length; that they grow is tested with a clock of its own."""
    monkeypatch.setattr(outbox_run, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(outbox_run, "LONGEST_WAIT_S", 0.3)
    monkeypatch.setattr(outbox_run, "POLL_S", 0.05)
    logger = logging.getLogger("pynetdicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # as the command does; records of failures hold sockets
    yield
    logger.setLevel(level)
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("pynetdicom"):
            thread.join(10)  # what it leaves to the collector is collected here, where that is no failure
    gc.collect()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with open_outbox(tmp_path / "box" / "outbox.db") as made:
        yield made


@contextmanager
def running(outbox: Outbox, *destinations: Destination) -> Iterator[list[Told]]:
    """The outbox at work in a thread; gives what it told."""
    told: list[Told] = []
    stop = threading.Event()
    thread = threading.Thread(target=run_outbox, args=(outbox, destinations, stop, time.monotonic, told.append))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()


def until(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.02)


def is_delivered(outbox: Outbox, name: str = "pacs") -> Callable[[], bool]:
    return lambda: outbox.counts(name).waiting == 0 and outbox.counts(name).delivered > 0


def check_all_there(report: Report, stored: Archive) -> None:
    """Each object of the exam lies there once, and the SR was received once where no fault touched it."""
    uids = {parcel.uid for parcel in parcels_from_report(report, facts_from_document(report.document))}
    assert sorted(str(dcmread(path).SOPInstanceUID) for path in stored.files) == sorted(uids)


@pytest.mark.parametrize("options", [(), ("+xa",)], ids=["uncompressed", "JPEG"])
def test_an_exam_arrives_whole_and_every_object_once(
    report: Report, outbox: Outbox, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with archive(tmp_path / "pacs", *options) as pacs:
        outbox_from_exam(outbox, report, ["pacs"])
        with running(outbox, to_port(pacs.port)):
            until(is_delivered(outbox))
        until(lambda: len(pacs.receptions) == 7)
        assert set(pacs.receptions.values()) == {1}
        check_all_there(report, pacs)
        for path in pacs.files:
            assert errors_of(path) == []
        kept = [dcmread(path) for path in pacs.files]
        is_jpeg = {data.file_meta.TransferSyntaxUID.is_compressed for data in kept if "PixelData" in data}
        assert is_jpeg == {bool(options)}


@pytest.mark.parametrize(
    "fault", ["--refuse", "--abort-during", "--abort-after", "--sleep-during 4", "--sleep-after 4"]
)
def test_after_a_fault_everything_is_there_once(report: Report, outbox: Outbox, tmp_path: Path, fault: str) -> None:
    outbox_from_exam(outbox, report, ["pacs"])
    port = free_port()
    with archive(tmp_path / "pacs", *fault.split(), port=port), running(outbox, to_port(port)) as told:
        until(lambda: any(one.trouble for one in told))
        assert outbox.counts("pacs").dead == 0
    with archive(tmp_path / "pacs", port=port) as pacs, running(outbox, to_port(port)):
        until(is_delivered(outbox))
        check_all_there(report, pacs)
    assert outbox.counts("pacs") == Counts(0, 7, 0)


def test_a_receiver_that_is_killed_and_comes_back(report: Report, outbox: Outbox, tmp_path: Path) -> None:
    port = free_port()
    outbox_from_exam(outbox, report, ["pacs"])
    with running(outbox, to_port(port)) as told:
        until(lambda: any(one.trouble == "unreachable" for one in told))
        with archive(tmp_path / "pacs", port=port) as pacs:
            until(lambda: len(pacs.receptions) > 0)
            pacs.kill()
        with archive(tmp_path / "pacs", port=port) as pacs:
            until(is_delivered(outbox))
            check_all_there(report, pacs)


def test_a_dead_receiver_holds_up_no_other(report: Report, outbox: Outbox, tmp_path: Path) -> None:
    outbox_from_exam(outbox, report, ["dead", "pacs"])
    with archive(tmp_path / "pacs") as pacs, running(outbox, to_port(free_port(), "dead"), to_port(pacs.port)):
        until(is_delivered(outbox))
    assert outbox.counts("dead") == Counts(7, 0, 0)


SENDER = """
import sys, threading, time
from pathlib import Path
from firmware_bridge.dicom.outbox import open_outbox
from firmware_bridge.dicom.outbox_run import run_outbox
from tests.firmware_bridge.dicom.archives import to_port
with open_outbox(Path(sys.argv[1])) as outbox:
    run_outbox(outbox, [to_port(int(sys.argv[2]))], threading.Event(), time.monotonic)
"""


def test_a_receivers_statuses_decide(report: Report, outbox: Outbox) -> None:
    outbox_from_exam(outbox, report, ["pacs"])
    classes = (SECONDARY_CAPTURE, COMPREHENSIVE_SR, KEY_OBJECTS)
    with answering([0xA700, 0xC000, 0xB000, 0xA900, 0x0111, 0x0000], classes) as port, running(outbox, to_port(port)):
        until(is_delivered(outbox))
    assert outbox.counts("pacs") == Counts(0, 6, 1)
    assert outbox.dead("pacs")[0].status == 0xA900


def test_a_receiver_without_a_place_for_a_class_gets_the_others(report: Report, outbox: Outbox) -> None:
    outbox_from_exam(outbox, report, ["pacs"])
    with answering([0x0000], [SECONDARY_CAPTURE]) as port, running(outbox, to_port(port)) as told:
        until(lambda: outbox.counts("pacs").delivered == 5 and any(one.trouble == "failed" for one in told))
    assert outbox.counts("pacs") == Counts(2, 5, 0)


def test_a_killed_sender_loses_nothing_and_sends_nothing_again_but_what_was_under_way(tmp_path: Path) -> None:
    report, path = finished(tmp_path / "exam", fetuses=3), tmp_path / "box" / "outbox.db"
    with open_outbox(path) as outbox:
        count = outbox_from_exam(outbox, report, ["pacs"])
    kills = 0
    with archive(tmp_path / "pacs") as pacs:
        for goal in (2, 6, 10):
            sender = subprocess.Popen([sys.executable, "-c", SENDER, str(path), str(pacs.port)])
            until(lambda goal=goal: len(pacs.receptions) >= goal)  # type: ignore[misc]
            sender.send_signal(signal.SIGKILL)
            sender.wait()
            kills += 1
        with open_outbox(path) as outbox, running(outbox, to_port(pacs.port)):
            until(is_delivered(outbox))
            assert outbox.counts("pacs") == Counts(0, count, 0)
        check_all_there(report, pacs)
        assert sum(pacs.receptions.values()) <= count + kills


def test_orthanc_stores_it_and_gives_it_back(report: Report, outbox: Outbox, tmp_path: Path) -> None:
    facts = named(report)
    outbox_from_exam(outbox, report, ["pacs"], facts)
    sent = {parcel.uid: parcel for parcel in parcels_from_report(report, facts)}
    (tmp_path / "orthanc").mkdir()
    with orthanc(tmp_path / "orthanc") as (destination, address):
        with running(outbox, destination):
            until(is_delivered(outbox))
        for uid, parcel in sent.items():
            (found,) = json.loads(rest(f"{address}/tools/lookup", uid))
            check_same(parcel, rest(f"{address}{found['Path']}/file"), tmp_path / "back.dcm")


def check_same(parcel: Parcel, back: bytes, path: Path) -> None:
    """What came back is what was sent, element for element."""
    path.write_bytes(back)
    sent = path.with_name("sent.dcm")
    sent.write_bytes(parcel.body)
    assert dcmread(path).to_json() == dcmread(sent).to_json()
    if parcel.sop_class == COMPREHENSIVE_SR:
        assert "王^小东" in peer_text("dsrdump", path)


def test_a_certificate_that_is_not_known_sends_nothing(report: Report, outbox: Outbox, tmp_path: Path) -> None:
    good, other = authority_files(tmp_path / "good"), authority_files(tmp_path / "other")
    server, client, stranger = (tls_files(a, n) for a, n in ((good, "pacs"), (good, "edge"), (other, "edge")))
    options = ["+tls", server.key, server.certificate, "+cf", server.authority, "-rc"]
    outbox_from_exam(outbox, report, ["pacs"])
    with archive(tmp_path / "pacs", *options) as pacs:
        told = Courier(outbox, to_port(pacs.port, tls=stranger), time.monotonic).deliver()
        assert told is not None
        assert (told.trouble, told.sent) == ("unreachable", 0)
        plain = Courier(outbox, to_port(pacs.port), time.monotonic).deliver()
        assert plain is not None
        assert (plain.trouble, plain.sent) == ("unreachable", 0)
        impostor = Courier(outbox, to_port(pacs.port, tls=client, tls_name="another"), time.monotonic).deliver()
        assert impostor is not None
        assert (impostor.trouble, impostor.sent) == ("unreachable", 0)
        with running(outbox, to_port(pacs.port, tls=client, tls_name="pacs")):
            until(is_delivered(outbox))
        check_all_there(report, pacs)


def test_a_host_that_nobody_knows_is_waited_for(report: Report, outbox: Outbox) -> None:
    outbox_from_exam(outbox, report, ["pacs"])
    told = Courier(outbox, to_port(104, host="no-such-host.invalid"), time.monotonic).deliver()
    assert told is not None
    assert told.trouble == "unreachable"


def test_a_fault_of_the_program_ends_the_outbox_and_is_told(report: Report, outbox: Outbox) -> None:
    def broken(_: Told) -> None:
        raise ZeroDivisionError

    outbox_from_exam(outbox, report, ["pacs"])
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        run_outbox(outbox, [to_port(free_port())], stop, time.monotonic, broken)
    assert stop.is_set()


@pytest.mark.parametrize("changes", [{"called": ""}, {"calling": "A" * 17}, {"called": "A\\B"}, {"port": 0}])
def test_a_destination_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        check_destination(to_port(**{"port": 104, **changes}))  # type: ignore[arg-type]
