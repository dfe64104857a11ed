"""From the scanner's pictures to the archive: a plane check, the bridge, dcmtk on both sides, and a name in Chinese."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from edge.keyring import Keyring
from edge.store import store_path
from firmware_bridge.dicom.images import SECONDARY_CAPTURE
from firmware_bridge.dicom.kos import KEY_OBJECTS
from firmware_bridge.dicom.scanner import Pretended, object_from_pictures
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.edge.conftest import Maker
from tests.edge.serving import bands_bundle, serving
from tests.firmware_bridge.dicom.archives import archive, free_port
from tests.firmware_bridge.dicom.finished import CHINESE, errors_of, peer_text
from tests.firmware_bridge.dicom.receiving import files_of_objects, receiving
from tests.firmware_bridge.dicom.test_forwarder import tissue

pytestmark = pytest.mark.peer
STILLS = 3
PATIENCE_S = 60.0


def stills() -> list[Any]:
    """Of one study, as a scanner in China sends them."""
    made = [object_from_pictures([tissue(n)], Pretended(patient="P-900", name=CHINESE), n) for n in range(STILLS)]
    for one in made:
        one.SpecificCharacterSet, one.AccessionNumber, one.StudyDate = "GB18030", "ACC-1", "20261121"
    return made


def wait(what: Any) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.05)


def test_an_ended_exam_reaches_its_study_in_the_archive_once_though_the_archive_was_dead_and_the_bridge_killed(
    keyring: Keyring, bundles: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(keyring.home))
    sent, port, socket = stills(), free_port(), tmp_path / "api.sock"
    source = ("--source", "bridge:dicom", "--no-page", "--socket", socket, "--store", store_path(keyring.home))
    options = ("--send", f"127.0.0.1:{port}:PACS")
    with serving(keyring.home, bands_bundle(bundles), *source) as service:
        with receiving(tmp_path / "spool", socket, *options) as bridge:
            assert bridge.push(files_of_objects(tmp_path / "sent", sent)).returncode == 0
            bridge.wait_settled(STILLS)
            assert service.order("end", exam=service.view()["exam"]["checklist"]["exam"])[0] == 200
            wait(lambda: bridge.logged("exams_gathered") and bridge.logged("objects_unreachable"))
            bridge.process.kill()
            first_log = bridge.log.read_bytes()
        with archive(tmp_path / "pacs", port=port) as pacs, receiving(tmp_path / "spool", socket, *options) as bridge:
            wait(lambda: len(pacs.receptions) == STILLS + 2)
            wait(lambda: any(round["missing"] == 0 for round in bridge.logged("objects_sent")))  # each is noted
            time.sleep(1.0)  # whatever would be sent again
            ended = bridge.end()
        assert service.end()[0] == 0
    assert ended["sent"] == {f"127.0.0.1:{port}:PACS": {"waiting": 0, "delivered": STILLS + 2, "dead": 0}}
    assert set(pacs.receptions.values()) == {1}
    check_archive(pacs.files, sent[0].StudyInstanceUID)
    outbox = keyring.home / "outbox" / "dicom.db"
    kept = b"".join(file.read_bytes() for file in outbox.parent.iterdir()) + first_log + bridge.log.read_bytes()
    for secret in (b"P-900", b"Xiaodong", "王".encode()):
        assert secret not in kept


def check_archive(files: list[Path], study: str) -> None:
    """Frames, report and key objects, all of the scanner's study and patient."""
    stored = [dcmread(file) for file in files]
    classes = Counter(str(data.SOPClassUID) for data in stored)
    assert classes == {SECONDARY_CAPTURE: STILLS, COMPREHENSIVE_SR: 1, KEY_OBJECTS: 1}
    for path, data in zip(files, stored, strict=True):
        assert errors_of(path) == []
        assert (str(data.PatientName), data.PatientID, data.StudyInstanceUID) == (CHINESE, "P-900", study)
        assert (data.AccessionNumber, data.StudyDate) == ("ACC-1", "20261121")
    (report,) = [path for path, data in zip(files, stored, strict=True) if data.SOPClassUID == COMPREHENSIVE_SR]
    assert "王^小东" in peer_text("dsrdump", report)
