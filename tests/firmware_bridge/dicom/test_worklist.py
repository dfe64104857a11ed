"""The worklist query against wlmscpfs: whose examination it is, or a flag."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.errors import InputError, PeerError, UsageError
from edge.keyring import Keyring
from firmware_bridge.dicom.texts import Text
from firmware_bridge.dicom.worklist import (
    FIND,
    MAX_ENTRIES,
    PeerAddress,
    Question,
    WorklistEntry,
    entry_from_dataset,
    load_worklist,
    opening_from_entry,
    peer_from_text,
)
from tests.edge.conftest import Maker
from tests.edge.serving import bands_bundle, serving
from tests.firmware_bridge.dicom.programs import tool
from tests.firmware_bridge.dicom.receiving import BRIDGE, ran
from tests.firmware_bridge.dicom.test_texts import CASES, NAME

TITLE = "WARD"
LONGEST = 2048  # characters that are shown of a text
DATE = "20261121"


def entry_file(folder: Path, number: int, raw_name: bytes, charsets: list[str]) -> None:
    """A file of the server's; the name's bytes as they are."""
    from pydicom import Dataset, dcmwrite

    mark = "N" * (len(raw_name) + len(raw_name) % 2)
    made, step = Dataset(), Dataset()
    if charsets:
        made.SpecificCharacterSet = charsets
    made.PatientName, made.PatientID, made.StudyInstanceUID = mark, f"P-{number}", f"1.2.3.{number}"
    made.AccessionNumber, made.RequestedProcedureID, made.RequestedProcedureDescription = f"A{number}", "R", "OB scan"
    made.PatientBirthDate = "19900101"
    step.Modality, step.ScheduledStationAETitle = "US", "VOLUSON"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = DATE, "101500"
    step.ScheduledProcedureStepID = "S"
    made.ScheduledProcedureStepSequence = [step]
    path = folder / f"{number}.wl"
    made.SpecificCharacterSet = charsets or None
    if not charsets:
        del made.SpecificCharacterSet
    dcmwrite(path, made, implicit_vr=False, little_endian=True)
    path.write_bytes(path.read_bytes().replace(mark.encode(), raw_name.ljust(len(mark))))


@contextmanager
def worklist_server(folder: Path, *options: str) -> Iterator[PeerAddress]:
    """wlmscpfs over the entries of `folder`/WARD."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / TITLE / "lockfile").touch()
    command = [tool("wlmscpfs"), "-dfr", *options, "-dfp", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                if ran(tool("echoscu"), "-aec", TITLE, "127.0.0.1", port).returncode == 0:
                    break
                time.sleep(0.05)
            yield PeerAddress("127.0.0.1", port, TITLE)
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ward = tmp_path / "lists" / TITLE
    ward.mkdir(parents=True)
    for number, (raw, charsets) in enumerate(CASES.values()):
        entry_file(ward, number, raw, charsets)
    return tmp_path / "lists"


def by_patient(entries: tuple[WorklistEntry, ...]) -> dict[str, WorklistEntry]:
    return {entry.patient.text: entry for entry in entries}


@pytest.mark.peer
def test_names_of_a_server_that_keeps_the_character_set_are_right(folder: Path) -> None:
    with worklist_server(folder, "-csk") as peer:
        found = by_patient(load_worklist(peer, Question(DATE), "BOX", None))
    assert set(found) == {"P-0", "P-1", "P-2", "P-3"}
    assert [found[patient].name for patient in sorted(found)] == [Text(NAME, False)] * 4
    entry = found["P-1"]
    assert (entry.study, entry.date, entry.time, entry.modality) == ("1.2.3.1", DATE, "101500", "US")
    assert entry.person == "王 小东 (Wang XiaoDong)"


@pytest.mark.peer
def test_names_of_a_server_that_drops_the_character_set_are_flagged(folder: Path) -> None:
    with worklist_server(folder) as peer:
        found = load_worklist(peer, Question(DATE), "BOX", None)
    assert len(found) == 4
    for entry in found:
        assert entry.name.is_flagged, entry
        assert "王" not in entry.person
        assert entry.person.startswith("Wang^XiaoDong=\\x")
        assert not entry.patient.is_flagged


@pytest.mark.peer
def test_another_day_has_no_entry(folder: Path) -> None:
    with worklist_server(folder, "-csk") as peer:
        assert load_worklist(peer, Question("20300101"), "BOX", None) == ()


@pytest.mark.peer
def test_the_command_tells_the_list_and_opens_the_exam_of_an_entry(
    folder: Path, keyring: Keyring, bundles: Maker, tmp_path: Path
) -> None:
    serve = ("--source", "bridge:dicom", "--no-page", "--socket", tmp_path / "api.sock")
    with worklist_server(folder, "-csk") as peer, serving(keyring.home, bands_bundle(bundles), *serve) as service:
        command = ("--socket", tmp_path / "api.sock", "--worklist", f"{peer.host}:{peer.port}:{TITLE}", "--json")
        lines = [json.loads(line) for line in _bridge(*command).splitlines()]
        assert sorted(line["patient"]["text"] for line in lines) == ["P-0", "P-1", "P-2", "P-3"]
        (opened,) = _bridge(*command, "--open", "1.2.3.2").splitlines()
        assert json.loads(opened)["name"] == {"text": NAME, "is_flagged": False}
        view: Any = service.view()["exam"]
        assert (view["patient"], view["study"]) == ("P-2", "1.2.3.2")


def _bridge(*options: object) -> str:
    done = ran(sys.executable, "-c", BRIDGE, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def misbehaving_server(answers: list[tuple[int, Any]]) -> Iterator[PeerAddress]:
    """A server that says just this."""
    from pynetdicom import AE, evt

    entity = AE(TITLE)
    entity.add_supported_context(FIND, "1.2.840.10008.1.2.1")
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, lambda _: answers)])
    assert server is not None
    try:
        yield PeerAddress("127.0.0.1", server.server_address[1], TITLE)
    finally:
        server.shutdown()


def scheduled(**changes: Any) -> Any:
    """An answer."""
    from pydicom import Dataset

    made = Dataset()
    made.PatientID, made.StudyInstanceUID = "P-1", "1.2.3"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_list_that_ends_with_a_failure_or_has_no_end_is_none() -> None:
    with misbehaving_server([(0xFF00, scheduled()), (0xA700, None)]) as peer, pytest.raises(PeerError, match="A700"):
        load_worklist(peer, Question(DATE), "BOX", None)
    endless = [(0xFF00, scheduled())] * (MAX_ENTRIES + 50)
    with misbehaving_server(endless) as peer, pytest.raises(InputError, match="more than 500"):
        load_worklist(peer, Question(DATE), "BOX", None)


def test_a_list_with_an_entry_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from pynetdicom.dsutils import encode

    step = scheduled(Modality="US", ScheduledProcedureStepStartDate=DATE)
    whole = encode(scheduled(ScheduledProcedureStepSequence=[step]), False, True) or b""
    cut = whole[: whole.index(b"\xfe\xff\x00\xe0") + 5]  # in the length of the step
    monkeypatch.setattr("pynetdicom.service_class.encode", lambda *_: cut)  # what the server sends
    with misbehaving_server([(0xFF00, scheduled())]) as peer, pytest.raises(PeerError, match="cannot be read"):
        load_worklist(peer, Question(DATE), "BOX", None)


def test_a_server_that_is_away_is_told() -> None:
    with pytest.raises(PeerError):
        load_worklist(PeerAddress("127.0.0.1", 9, TITLE), Question(), "BOX", None)


@pytest.mark.parametrize(
    "text", ["", "host", "host:0", "host:70000:A", "host:1:" + "A" * 17, "a b:1", "h" * 70 + ":1", "h:1: ", "h:1:Ä"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        peer_from_text(text)


def test_an_address_has_host_port_and_title() -> None:
    assert peer_from_text("10.0.0.5:104:WARD") == PeerAddress("10.0.0.5", 104, "WARD")
    assert peer_from_text("[::1]:104") == PeerAddress("::1", 104, "ANY-SCP")


def test_an_entry_whose_patient_is_not_certain_opens_nothing() -> None:
    text = Text("A", False)
    entry = WorklistEntry(Text("\\xFF", True), text, "A", "1.2", text, "", "", "", "US", text, ())
    with pytest.raises(InputError):
        opening_from_entry(entry)


@pytest.mark.filterwarnings("ignore:The value length")  # of pydicom, while it is made
def test_a_text_that_is_too_long_to_be_one_is_cut_and_flagged() -> None:
    from pydicom import Dataset

    answer = Dataset()
    answer.AccessionNumber, answer.StudyInstanceUID = "A" * 100_000, "1.2.3"
    found = entry_from_dataset(answer)
    assert found.accession == Text("A" * LONGEST, True)
    assert found.study == "1.2.3"
