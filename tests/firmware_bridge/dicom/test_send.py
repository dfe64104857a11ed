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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.errors import UsageError
from edge.reports.gather import Report
from firmware_bridge.dicom import outbox_run
from firmware_bridge.dicom.images import SECONDARY_CAPTURE
from firmware_bridge.dicom.kos import KEY_OBJECTS
from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_exam import parcels_from_report
from firmware_bridge.dicom.outbox_run import Courier, Told, run_outbox
from firmware_bridge.dicom.outbox_schema import Counts, Parcel
from firmware_bridge.dicom.send import Destination, check_destination
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.firmware_bridge.dicom.archives import (
    GIVEN_UP_S,
    Archive,
    answering,
    archive,
    free_port,
    orthanc,
    rest,
    to_port,
)
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.finished import errors_of, finished, named, outbox_at, peer_text
from tests.firmware_bridge.dicom.killed import sender

pytestmark = [
    pytest.mark.peer,
    # pynetdicom 3.0.4 leaves a socket that could not connect to the collector, which closes it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return finished(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def parcels(report: Report) -> tuple[Parcel, ...]:
    """The exam's objects: 5 frames, SR, key objects."""
    return parcels_from_report(report, named(report))


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
    with outbox_at(tmp_path / "box" / "outbox.db") as made:
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


def check_all_there(parcels: Sequence[Parcel], stored: Archive) -> None:
    """Each object of the exam lies there once."""
    uids = {parcel.uid for parcel in parcels}
    assert sorted(str(dcmread(path).SOPInstanceUID) for path in stored.files) == sorted(uids)


@pytest.mark.parametrize("options", [(), ("+xa",)], ids=["uncompressed", "JPEG"])
def test_an_exam_arrives_whole_and_every_object_once(
    parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with archive(tmp_path / "pacs", *options) as pacs:
        outbox.put(parcels, ["pacs"])
        with running(outbox, to_port(pacs.port)):
            until(is_delivered(outbox))
        until(lambda: len(pacs.receptions) == 7)
        assert set(pacs.receptions.values()) == {1}
        check_all_there(parcels, pacs)
        for path in pacs.files:
            assert errors_of(path) == []
        kept = [dcmread(path) for path in pacs.files]
        is_jpeg = {data.file_meta.TransferSyntaxUID.is_compressed for data in kept if "PixelData" in data}
        assert is_jpeg == {bool(options)}


@pytest.mark.parametrize(
    "fault", ["--refuse", "--abort-during", "--abort-after", "--sleep-during 4", "--sleep-after 4"]
)
def test_after_a_fault_everything_is_there_once(
    parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path, fault: str
) -> None:
    outbox.put(parcels, ["pacs"])
    port = free_port()
    impatient = to_port(port, response_s=GIVEN_UP_S)
    with archive(tmp_path / "pacs", *fault.split(), port=port), running(outbox, impatient) as told:
        until(lambda: any(one.trouble for one in told))
        assert outbox.counts("pacs").dead == 0
    with archive(tmp_path / "pacs", port=port) as pacs, running(outbox, to_port(port)):
        until(is_delivered(outbox))
        check_all_there(parcels, pacs)
    assert outbox.counts("pacs") == Counts(0, 7, 0)


def test_a_receiver_that_is_killed_and_comes_back(parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path) -> None:
    port = free_port()
    outbox.put(parcels, ["pacs"])
    with running(outbox, to_port(port)) as told:
        until(lambda: any(one.trouble == "unreachable" for one in told))
        with archive(tmp_path / "pacs", port=port) as pacs:
            until(lambda: len(pacs.receptions) > 0)
            pacs.kill()
        with archive(tmp_path / "pacs", port=port) as pacs:
            until(is_delivered(outbox))
            check_all_there(parcels, pacs)


def test_a_dead_receiver_holds_up_no_other(parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(parcels, ["dead", "pacs"])
    with archive(tmp_path / "pacs") as pacs, running(outbox, to_port(free_port(), "dead"), to_port(pacs.port)):
        until(is_delivered(outbox))
    assert outbox.counts("dead") == Counts(7, 0, 0)


def test_a_receivers_statuses_decide(parcels: tuple[Parcel, ...], outbox: Outbox) -> None:
    outbox.put(parcels, ["pacs"])
    classes = (SECONDARY_CAPTURE, COMPREHENSIVE_SR, KEY_OBJECTS)
    with answering([0xA700, 0xC000, 0xB000, 0xA900, 0x0111, 0x0000], classes) as port, running(outbox, to_port(port)):
        until(is_delivered(outbox))
    assert outbox.counts("pacs") == Counts(0, 6, 1)
    assert outbox.dead("pacs")[0].status == 0xA900


def test_a_receiver_without_a_place_for_a_class_gets_the_others(parcels: tuple[Parcel, ...], outbox: Outbox) -> None:
    outbox.put(parcels, ["pacs"])
    with answering([0x0000], [SECONDARY_CAPTURE]) as port, running(outbox, to_port(port)) as told:
        until(lambda: outbox.counts("pacs").delivered == 5 and any(one.trouble == "failed" for one in told))
    assert outbox.counts("pacs") == Counts(2, 5, 0)


def test_a_put_that_dies_at_any_statement_is_whole_or_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.firmware_bridge.dicom.killed", "put", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    found = json.loads(done.stdout)
    assert found["kills"] > 20
    assert (found["torn"], found["whole_after_another_put"]) == (0, found["kills"])


def test_a_sender_that_dies_between_the_receivers_answer_and_its_own_note_sends_that_one_again(
    parcels: tuple[Parcel, ...], tmp_path: Path
) -> None:
    path = tmp_path / "box" / "outbox.db"
    with outbox_at(path) as outbox:
        outbox.put(parcels, ["pacs"])
    with archive(tmp_path / "pacs") as pacs:
        for notes in (1, 3):
            with sender(path, pacs.port, notes) as dying:
                assert dying.wait(PATIENCE_S) == -signal.SIGKILL
        with outbox_at(path) as outbox:
            assert outbox.counts("pacs") == Counts(5, 2, 0)
            with running(outbox, to_port(pacs.port)):
                until(is_delivered(outbox))
            assert outbox.counts("pacs") == Counts(0, 7, 0)
        until(lambda: sum(pacs.receptions.values()) == 9)
        check_all_there(parcels, pacs)
    assert sorted(pacs.receptions.values()) == [1, 1, 1, 1, 1, 2, 2]


def test_orthanc_stores_it_and_gives_it_back(parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(parcels, ["pacs"])
    sent = {parcel.uid: parcel for parcel in parcels}
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


def test_a_certificate_that_is_not_known_sends_nothing(
    parcels: tuple[Parcel, ...], outbox: Outbox, tmp_path: Path
) -> None:
    good, other = authority_files(tmp_path / "good"), authority_files(tmp_path / "other")
    server, client, stranger = (tls_files(a, n) for a, n in ((good, "pacs"), (good, "edge"), (other, "edge")))
    options = ["+tls", server.key, server.certificate, "+cf", server.authority, "-rc"]
    outbox.put(parcels, ["pacs"])
    with archive(tmp_path / "pacs", *options) as pacs:
        told = Courier(outbox, to_port(pacs.port, tls=stranger), time.monotonic).deliver()
        assert told is not None
        assert (told.trouble, told.sent) == ("unreachable", 0)
        plain = Courier(outbox, to_port(pacs.port), time.monotonic).deliver()
        assert plain is not None
        assert (plain.trouble, plain.sent) == ("unreachable", 0)
        for name in ("another", ""):  # "": the certificate must name the address
            impostor = Courier(outbox, to_port(pacs.port, tls=client, tls_name=name), time.monotonic).deliver()
            assert impostor is not None
            assert (impostor.trouble, impostor.sent) == ("unreachable", 0)
        with running(outbox, to_port(pacs.port, tls=client, tls_name="pacs")):
            until(is_delivered(outbox))
        check_all_there(parcels, pacs)


def test_a_host_that_nobody_knows_is_waited_for(parcels: tuple[Parcel, ...], outbox: Outbox) -> None:
    outbox.put(parcels, ["pacs"])
    told = Courier(outbox, to_port(104, host="no-such-host.invalid"), time.monotonic).deliver()
    assert told is not None
    assert told.trouble == "unreachable"


def test_a_fault_of_the_program_ends_the_outbox_and_is_told(parcels: tuple[Parcel, ...], outbox: Outbox) -> None:
    def broken(_: Told) -> None:
        raise ZeroDivisionError

    outbox.put(parcels, ["pacs"])
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        run_outbox(outbox, [to_port(free_port())], stop, time.monotonic, broken)
    assert stop.is_set()


@pytest.mark.parametrize("changes", [{"called": ""}, {"calling": "A" * 17}, {"called": "A\\B"}, {"port": 0}])
def test_a_destination_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        check_destination(to_port(**{"port": 104, **changes}))  # type: ignore[arg-type]
