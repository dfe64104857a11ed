"""The receiving bridge against dcmtk: what it acknowledges is on the disk, and nobody can lock a scanner out."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.dicom.scanner import Pretended, object_from_pictures
from firmware_bridge.dicom.spool_file import frames_from_file, head_from_file
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.receiving import (
    PLANTED,
    Receiving,
    files_of_objects,
    picture,
    planted,
    ran,
    receiving,
    tool,
)

pytestmark = pytest.mark.peer
STILLS = 60
ECHO_S = 0.5


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Receiving]:
    """No plane check is there: everything stays in the spool."""
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as running:
        yield running


def test_stills_of_storescu_lie_in_the_spool_cut_to_their_region(bridge: Receiving, tmp_path: Path) -> None:
    files = files_of_objects(tmp_path / "sent", [planted(number) for number in range(STILLS)])
    assert bridge.push(files).returncode == 0
    waiting = bridge.waiting()
    assert len(waiting) == STILLS
    for number, path in enumerate(waiting):
        head, _ = head_from_file(path)
        (pixels,) = frames_from_file(path, head)
        assert (pixels.tolist(), head.patient) == (picture(number).tolist(), "SIM-0001")
    assert bridge.end()["received"] == {"stored": STILLS}


def test_what_stands_around_the_region_and_the_name_reach_no_file(bridge: Receiving, tmp_path: Path) -> None:
    who = Pretended(patient="P-1", name="SecretFamily^SecretGiven")
    bridge.push(files_of_objects(tmp_path / "sent", [planted(number, who) for number in range(3)]))
    bridge.end()
    written = b"".join(path.read_bytes() for path in bridge.spool.iterdir())
    assert len(written) > 3 * 96 * 96
    assert b"Secret" not in written
    assert bytes([PLANTED]) * 4 not in written


def test_eight_associations_at_once(bridge: Receiving, tmp_path: Path) -> None:
    files = files_of_objects(tmp_path / "sent", [planted(number) for number in range(48)])
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
    assert len(bridge.waiting()) == 48


def test_an_object_that_comes_again_is_acknowledged_and_kept_once(bridge: Receiving, tmp_path: Path) -> None:
    files = files_of_objects(tmp_path / "sent", [planted(1)])
    for _ in range(3):
        assert bridge.push(files).returncode == 0
    assert len(bridge.waiting()) == 1
    other = planted(1)
    other.PixelData = bytes(reversed(other.PixelData))
    told = bridge.push(files_of_objects(tmp_path / "other", [other]))
    assert "0x0111" in (told.stdout + told.stderr).lower()
    assert bridge.end()["received"] == {"stored": 1, "known": 2, "same_name": 1}


def test_compressed_clips_and_secondary_captures_are_taken(bridge: Receiving, tmp_path: Path) -> None:
    clip = object_from_pictures([picture(n) for n in range(3)], Pretended(is_jpeg=True), 0)
    capture = planted(1)
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    files = files_of_objects(tmp_path / "sent", [clip, capture])
    assert bridge.push(files[:1], "-xy").returncode == 0  # proposes JPEG baseline
    assert bridge.push(files[1:]).returncode == 0
    heads = [head_from_file(path)[0] for path in bridge.waiting()]
    assert [head.times_ms for head in heads] == [(0.0, 40.0, 80.0), ()]


def test_other_classes_and_syntaxes_are_refused_each_in_its_context(bridge: Receiving, tmp_path: Path) -> None:
    report = planted(1)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"  # CT
    told = bridge.push(files_of_objects(tmp_path / "sent", [report]))
    assert "No presentation context" in told.stdout + told.stderr
    assert bridge.push(files_of_objects(tmp_path / "video", [planted(2)]), "--propose-mpeg2").returncode != 0
    assert bridge.end()["received"] == {}


def test_an_object_without_a_region_is_refused_with_a_status(bridge: Receiving, tmp_path: Path) -> None:
    made = planted(1)
    del made.SequenceOfUltrasoundRegions
    told = bridge.push(files_of_objects(tmp_path / "sent", [made]))
    assert "0xc000" in (told.stdout + told.stderr).lower()
    assert bridge.waiting() == []


def test_idle_sockets_and_junk_lock_nobody_out(bridge: Receiving) -> None:
    rng = np.random.default_rng(0)
    junk = [rng.bytes(300), b"\x01\x00\xff\xff\xff\xff", b"\x01\x00", b"GET / HTTP/1.0\r\n\r\n", b"\x04" * 64]
    held = []
    for number in range(40):
        connection = socket.create_connection(("127.0.0.1", bridge.port))
        if number % 2:
            connection.sendall(junk[number // 2 % len(junk)])
        held.append(connection)
    code, seconds = bridge.echo()
    assert code == 0
    assert seconds < ECHO_S * (4 if os.getloadavg()[0] > 1.5 else 1)
    for connection in held:
        connection.close()


def test_more_than_a_place_holds_is_pushed_out_and_not_who_asks(bridge: Receiving) -> None:
    held = [socket.create_connection(("127.0.0.1", bridge.port)) for _ in range(200)]
    assert bridge.echo()[0] == 0
    for connection in held:
        connection.close()


def test_one_address_has_eight_associations_and_the_ninth_is_told_to_come_later(bridge: Receiving) -> None:
    from pynetdicom import AE

    entity = AE()
    entity.add_requested_context("1.2.840.10008.1.1")
    held = [entity.associate("127.0.0.1", bridge.port) for _ in range(8)]
    assert all(assoc.is_established for assoc in held)
    told = ran(tool("echoscu"), "-v", "127.0.0.1", bridge.port)
    assert "Local Limit Exceeded" in told.stdout + told.stderr
    held[0].release()
    deadline = time.monotonic() + 5
    while bridge.echo()[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bridge.echo()[0] == 0
    for assoc in held[1:]:
        assoc.release()


def test_an_association_that_claims_a_huge_unit_is_cut(bridge: Receiving) -> None:
    from pynetdicom import AE

    entity = AE()
    entity.add_requested_context("1.2.840.10008.1.1")
    assoc = entity.associate("127.0.0.1", bridge.port)
    assert assoc.is_established
    assert assoc.dul.socket is not None
    assoc.dul.socket.send(struct.pack(">BBI", 4, 0, 1 << 31))
    deadline = time.monotonic() + 5
    while assoc.is_established and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not assoc.is_established
    assert bridge.echo()[0] == 0


def kill_after(bridge: Receiving, count: int) -> None:
    """Kill a bridge once so many objects lie in its spool."""
    while len(bridge.waiting()) < count:
        time.sleep(0.005)
    bridge.process.kill()


def test_after_a_kill_every_acknowledged_object_is_there(tmp_path: Path) -> None:
    files = files_of_objects(tmp_path / "sent", [planted(number) for number in range(STILLS)])
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        killer = threading.Thread(target=kill_after, args=(bridge, STILLS // 3))
        killer.start()
        told = bridge.push(files)
        killer.join()
        bridge.process.wait()
    acknowledged = (told.stdout + told.stderr).count("DIMSE Status                  : 0x0000")
    assert STILLS // 3 - 1 <= acknowledged < STILLS
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        names = [head_from_file(path)[0].name for path in bridge.waiting()]
        assert acknowledged <= len(names) <= acknowledged + 1  # one may have been on the disk and not yet answered
        assert bridge.push(files).returncode == 0
        assert len(bridge.waiting()) == STILLS
        counts = bridge.end()["received"]
    assert counts["known"] == len(names)


def test_titles_are_checked_where_that_is_asked(tmp_path: Path) -> None:
    options = ("--ae-title", "BOX", "--check-called", "--caller", "VOLUSON")
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        assert bridge.echo("-aec", "BOX", "-aet", "VOLUSON")[0] == 0
        assert bridge.echo("-aec", "OTHER", "-aet", "VOLUSON")[0] != 0
        assert bridge.echo("-aec", "BOX", "-aet", "STRANGER")[0] != 0


def test_mutual_tls_takes_who_has_a_certificate_and_idle_sockets_lock_nobody_out(tmp_path: Path) -> None:
    authority = authority_files(tmp_path / "ward")
    own, scanner = tls_files(authority, "box"), tls_files(authority, "scanner")
    stranger = tls_files(authority_files(tmp_path / "elsewhere"), "stranger")
    options = ("--tls-cert", own.certificate, "--tls-key", own.key, "--tls-ca", own.authority)
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        held = [socket.create_connection(("127.0.0.1", bridge.port)) for _ in range(20)]
        files = files_of_objects(tmp_path / "sent", [planted(1)])
        told = bridge.push(files, "+tls", scanner.key, scanner.certificate, "+cf", scanner.authority)
        assert told.returncode == 0, told.stderr
        assert len(bridge.waiting()) == 1
        assert bridge.push(files, "+tls", stranger.key, stranger.certificate, "-ic").returncode != 0
        assert bridge.push(files).returncode != 0  # plain
        for connection in held:
            connection.close()


def test_a_full_disk_is_said_in_the_status(tmp_path: Path) -> None:
    small = Path("/dev/shm") / f"edge-spool-{os.getpid()}"
    if ran("sh", "-c", f"mkdir -p {small} && mount -t tmpfs -o size=1m none {small}").returncode:
        small.rmdir()
        pytest.skip("no right to mount a small disk")
    try:
        with receiving(small / "spool", tmp_path / "none.sock") as bridge:
            told = bridge.push(files_of_objects(tmp_path / "sent", [planted(1)]))
            assert "0xa700" in (told.stdout + told.stderr).lower()
            assert bridge.waiting() == []
    finally:
        ran(tool("umount"), small)
        small.rmdir()
