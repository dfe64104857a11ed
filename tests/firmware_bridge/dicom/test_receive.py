"""The receiving bridge against dcmtk: what it acknowledges is on the disk; what it does not take, a status tells."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.dicom.received import name_from_uid
from firmware_bridge.dicom.scanner import Pretended, object_from_pictures
from firmware_bridge.dicom.spool_file import frames_from_file, head_from_file
from tests.conftest import Command
from tests.firmware_bridge.dicom.archives import free_port
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.receiving import (
    Receiving,
    bytes_from_object,
    files_of_objects,
    picture,
    planted,
    receiving,
)

pytestmark = pytest.mark.peer
STILLS = 24


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """No plane check is there: everything stays in the spool. Each test sends objects of a seed of its own."""
    folder = tmp_path_factory.mktemp("receive")
    with receiving(folder / "spool", folder / "none.sock") as running:
        yield running
        assert running.end()["received"]["stored"] > STILLS


def test_stills_of_storescu_lie_in_the_spool_cut_to_their_region(bridge: Receiving, tmp_path: Path) -> None:
    objects = [planted(number, Pretended(seed=1)) for number in range(STILLS)]
    assert bridge.push(files_of_objects(tmp_path / "sent", objects)).returncode == 0
    found = {head_from_file(path)[0].name: path for path in bridge.waiting()}
    for number, made in enumerate(objects):
        path = found[name_from_uid(made.SOPInstanceUID)]
        head, _ = head_from_file(path)
        (pixels,) = frames_from_file(path, head)
        assert (pixels.tolist(), head.patient, head.study) == (
            picture(number).tolist(),
            "SIM-0001",
            made.StudyInstanceUID,
        )


def test_eight_associations_at_once(bridge: Receiving, tmp_path: Path) -> None:
    objects = [planted(number, Pretended(seed=2)) for number in range(STILLS)]
    files = files_of_objects(tmp_path / "sent", objects)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda part=part: codes.append(bridge.push(part).returncode))
        for part in (files[start::8] for start in range(8))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 8
    assert len(bridge.heads(objects)) == STILLS


def test_an_object_that_comes_again_is_acknowledged_and_kept_once(bridge: Receiving, tmp_path: Path) -> None:
    made, other = (planted(1, Pretended(seed=3)) for _ in range(2))
    files, before = files_of_objects(tmp_path / "sent", [made]), len(bridge.waiting())
    for _ in range(3):
        assert bridge.push(files).returncode == 0
    other.PixelData = bytes(reversed(other.PixelData))
    told = bridge.push(files_of_objects(tmp_path / "other", [other]), "-d")
    assert "0x0111" in (told.stdout + told.stderr).lower()
    assert len(bridge.waiting()) == before + 1


def test_compressed_clips_and_secondary_captures_are_taken(bridge: Receiving, tmp_path: Path) -> None:
    clip = object_from_pictures([picture(n) for n in range(3)], Pretended(seed=4, is_jpeg=True), 0)
    capture = planted(1, Pretended(seed=5))
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    files = files_of_objects(tmp_path / "sent", [clip, capture])
    assert bridge.push(files[:1], "-xy").returncode == 0  # proposes JPEG baseline
    assert bridge.push(files[1:]).returncode == 0
    assert [head.times_ms for head in bridge.heads([clip, capture])] == [(0.0, 40.0, 80.0), ()]


def test_other_classes_and_syntaxes_are_refused_each_in_its_context(bridge: Receiving, tmp_path: Path) -> None:
    other, video = planted(1, Pretended(seed=6)), planted(2, Pretended(seed=6))
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"  # CT
    told = bridge.push(files_of_objects(tmp_path / "sent", [other]), "-d")
    assert "No presentation context" in told.stdout + told.stderr
    assert bridge.push(files_of_objects(tmp_path / "video", [video]), "--propose-mpeg2").returncode != 0
    assert bridge.heads([other, video]) == []


def test_an_object_without_a_region_is_refused_with_a_status(bridge: Receiving, tmp_path: Path) -> None:
    made = planted(1, Pretended(seed=7))
    del made.SequenceOfUltrasoundRegions
    told = bridge.push(files_of_objects(tmp_path / "sent", [made]), "-d")
    assert "0xc000" in (told.stdout + told.stderr).lower()
    assert "object_no_region" in bridge.log.read_text()
    assert bridge.heads([made]) == []


def test_of_a_refused_object_no_name_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(tmp_path / "home"))
    objects = [planted(number, Pretended(seed=number)) for number in range(3)]  # each of a study of its own
    del objects[0].SequenceOfUltrasoundRegions
    objects[1].PixelData = objects[1].PixelData[:100]
    files = files_of_objects(tmp_path / "sent", objects)
    outbox = tmp_path / "outbox.db"
    options = ("--send", f"127.0.0.1:{free_port()}:PACS", "--outbox", outbox)
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        for file in files[:2]:
            assert "0xc000" in bridge.push([file], "-d").stderr.lower()
        assert studies(outbox) == 0
        assert bridge.push(files[2:]).returncode == 0
        assert studies(outbox) == 1


def test_what_the_libraries_would_quote_stands_in_no_log(tmp_path: Path) -> None:
    made = planted(1, Pretended(seed=1))
    uid = made.StudyInstanceUID.encode()
    file = tmp_path / "made.dcm"
    file.write_bytes(bytes_from_object(made).replace(uid, b"SECRET^FAMILY".ljust(len(uid), b"\0")))
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        bridge.push([file])
        told = bridge.end()
    assert sum(told["received"].values()) == 1
    assert "SECRET" not in bridge.log.read_text() + str(told)


def studies(outbox: Path) -> int:
    """Of how many studies an outbox has heard."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM studies").fetchall()
    return int(count)


def kill_after(bridge: Receiving, count: int) -> None:
    """Kill a bridge once so many objects lie in its spool."""
    while len(bridge.waiting()) < count:
        time.sleep(0.005)
    bridge.process.kill()


def test_after_a_kill_every_acknowledged_object_is_there(tmp_path: Path) -> None:
    objects, files, acknowledged, code = list[Any](), list[Path](), 0, 0
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        killer = threading.Thread(target=kill_after, args=(bridge, STILLS // 3))
        killer.start()
        while code == 0:  # the scanner goes on until the kill strikes
            more = [planted(number) for number in range(len(objects), len(objects) + STILLS)]
            sent = files_of_objects(tmp_path / f"sent{len(objects)}", more)
            told = bridge.push(sent, "-d")
            acknowledged += (told.stdout + told.stderr).count("DIMSE Status                  : 0x0000")
            code, objects, files = told.returncode, objects + more, files + sent
        killer.join()
        bridge.process.wait()
    assert STILLS // 3 - 1 <= acknowledged < len(objects)
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        there = len(bridge.heads(objects))
        assert acknowledged <= there <= acknowledged + 1  # one may have been on the disk and not yet answered
        assert len(bridge.heads(objects[:acknowledged])) == acknowledged
        assert bridge.push(files).returncode == 0
        assert len(bridge.heads(objects)) == len(objects)
        counts = bridge.end()
    assert counts["received"]["known"] == there
    assert counts["spool"]["damaged"] == 0


def test_titles_are_checked_where_that_is_asked(tmp_path: Path) -> None:
    options = ("--ae-title", "BOX", "--check-called", "--caller", "VOLUSON")
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        assert bridge.echo("-aec", "BOX", "-aet", "VOLUSON")[0] == 0
        assert bridge.echo("-aec", "OTHER", "-aet", "VOLUSON")[0] != 0
        assert bridge.echo("-aec", "BOX", "-aet", "STRANGER")[0] != 0


def test_mutual_tls_takes_only_who_has_a_certificate_of_the_ward(tmp_path: Path) -> None:
    authority = authority_files(tmp_path / "ward")
    own, scanner = tls_files(authority, "box"), tls_files(authority, "scanner")
    stranger = tls_files(authority_files(tmp_path / "elsewhere"), "stranger")
    options = ("--tls-cert", own.certificate, "--tls-key", own.key, "--tls-ca", own.authority)
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        objects = [planted(1)]
        files = files_of_objects(tmp_path / "sent", objects)
        assert bridge.push(files, "+tls", stranger.key, stranger.certificate, "-ic").returncode != 0
        assert bridge.push(files).returncode != 0  # plain
        assert bridge.heads(objects) == []
        told = bridge.push(files, "+tls", scanner.key, scanner.certificate, "+cf", scanner.authority)
        assert told.returncode == 0, told.stderr
        assert len(bridge.heads(objects)) == 1


def test_a_tls_file_that_is_not_there_is_named(edge: Command, tmp_path: Path) -> None:
    own = tls_files(authority_files(tmp_path / "ward"), "box")
    options = ("--tls-cert", own.certificate, "--tls-key", tmp_path / "none.pem", "--tls-ca", own.authority)
    done = edge("bridge", "dicom", "--socket", tmp_path / "none.sock", "--port", 0, *options, "--json")
    assert done.code == 3
    assert "none.pem cannot be read" in done.out


def test_a_disk_that_is_full_in_the_middle_of_an_object_is_said_in_the_status(tmp_path: Path) -> None:
    smooth = np.linspace(20, 200, 400).astype(np.uint8).repeat(400).reshape(400, 400)
    large = object_from_pictures([smooth], Pretended(is_jpeg=True), 1)  # 160 kB in the spool, 10 kB as it comes
    files = files_of_objects(tmp_path / "sent", [large, planted(2, side_px=48)])
    short = ("sh", "-c", 'ulimit -f 64; exec "$@"', "sh")  # a file ends after 32 or 64 kB, as on a full disk
    with receiving(tmp_path / "spool", tmp_path / "none.sock", wrapper=short) as bridge:
        told = bridge.push(files[:1], "-d", "-xy")
        assert "0xa700" in (told.stdout + told.stderr).lower()
        assert bridge.waiting() == []
        assert bridge.push(files[1:]).returncode == 0
        assert bridge.end()["received"] == {"full": 1, "stored": 1}
