"""Nobody locks a scanner out of the receiving bridge, breaks it, or makes it say what he sent."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.dicom.lobby import WAIT_S
from firmware_bridge.dicom.scanner import Pretended
from firmware_bridge.dicom.spool_file import head_from_file
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.programs import tool
from tests.firmware_bridge.dicom.receiving import WAIT_S as PATIENCE_S
from tests.firmware_bridge.dicom.receiving import Receiving, planted, ran, receiving

pytestmark = pytest.mark.peer
ECHO_S = 0.5
TRIES = 10
DAMAGED = 60  # connections; tests/bench/dicom_receive.py holds the figures
DATA = 0x04  # P-DATA-TF
STORE_ANSWER = struct.pack("<HHIH", 0x0000, 0x0100, 2, 0x8001)  # command field, PS3.7 annex E.1
SUCCESS = struct.pack("<HHIH", 0x0000, 0x0900, 2, 0x0000)  # status
STILL, CT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """One for all: what a test did to it, the next one finds."""
    folder = tmp_path_factory.mktemp("hostile")
    with receiving(folder / "spool", folder / "none.sock") as running:
        yield running
        running.end()  # it says nothing of a trace, either


def connected(bridge: Receiving, *parts: bytes) -> socket.socket:
    """A connection that has sent something."""
    connection = socket.create_connection(("127.0.0.1", bridge.port), 5)
    for part in parts:
        connection.sendall(part)
    return connection


def check_echo(bridge: Receiving) -> None:
    """It serves, soon."""
    check_soon(bridge.echo)


def check_soon(echo: Callable[[], tuple[int, float]]) -> None:
    """One of some echoes is: on a loaded machine `echoscu` starts slowly, and a place that was left is not free yet."""
    tried = [echo()]
    while tried[-1][0] != 0 or tried[-1][1] >= ECHO_S * (4 if os.getloadavg()[0] > 1.5 else 1):
        assert len(tried) < TRIES, tried
        tried.append(echo())


def association(bridge: Receiving, *handlers: Any) -> Any:
    """Of pynetdicom, for echo and stills."""
    from pynetdicom import AE

    entity = AE("PROBE")
    for context in ("1.2.840.10008.1.1", STILL):
        entity.add_requested_context(context, "1.2.840.10008.1.2.1")
    deadline = time.monotonic() + PATIENCE_S
    while True:  # the place of one that was left is free a moment after
        assoc = entity.associate("127.0.0.1", bridge.port, evt_handlers=list(handlers))
        if assoc.is_established or time.monotonic() > deadline:
            return assoc
        time.sleep(0.05)


def test_idle_sockets_and_junk_lock_nobody_out(bridge: Receiving) -> None:
    rng = np.random.default_rng(0)
    junk = [rng.bytes(300), b"\x01\x00\xff\xff\xff\xff", b"\x01\x00", b"GET / HTTP/1.0\r\n\r\n", b"\x04" * 64]

    def beset() -> tuple[int, float]:
        held = [connected(bridge, junk[number // 2 % len(junk)] if number % 2 else b"") for number in range(200)]
        code, seconds = bridge.echo()
        assert code == 0
        for connection in held:
            connection.close()
        return code, seconds

    check_soon(beset)


def test_who_never_asks_is_sent_away(bridge: Receiving) -> None:
    with connected(bridge) as silent, connected(bridge, b"\x01\x00") as slow:
        for connection in (silent, slow):
            connection.settimeout(WAIT_S + 10)
            with contextlib.suppress(ConnectionResetError):  # what came is not read
                assert connection.recv(1) == b""


def test_idle_sockets_lock_nobody_out_of_tls(tmp_path: Path) -> None:
    authority = authority_files(tmp_path / "ward")
    own, scanner = tls_files(authority, "box"), tls_files(authority, "scanner")
    options = ("--tls-cert", own.certificate, "--tls-key", own.key, "--tls-ca", own.authority)
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *options) as bridge:
        held = [connected(bridge, b"\x16\x03\x01" if number % 2 else b"") for number in range(40)]
        assert bridge.echo("+tls", scanner.key, scanner.certificate, "+cf", scanner.authority)[0] == 0
        for connection in held:
            connection.close()


def test_who_asks_half_and_ends_costs_no_work(bridge: Receiving) -> None:
    held = []
    for _ in range(20):
        held.append(connected(bridge, struct.pack(">BxI", 1, 5000) + bytes(100)))
        held[-1].shutdown(socket.SHUT_WR)
    before_s, _ = cpu_s(bridge), time.sleep(1.0)
    assert cpu_s(bridge) - before_s < 0.4  # a selector that wakes again and again takes all of it
    for connection in held:
        connection.close()


def cpu_s(bridge: Receiving) -> float:
    """Seconds of both kinds that its process has worked."""
    fields = Path(f"/proc/{bridge.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_one_address_has_eight_associations_and_the_ninth_is_told_to_come_later(bridge: Receiving) -> None:
    held = [association(bridge) for _ in range(8)]
    assert all(assoc.is_established for assoc in held)
    told = ran(tool("echoscu"), "-v", "127.0.0.1", bridge.port)
    assert "Local Limit Exceeded" in told.stdout + told.stderr
    held[0].release()
    wait_for(lambda: bridge.echo()[0] == 0)
    for assoc in held[1:]:
        assoc.release()


def test_an_association_that_claims_a_huge_unit_is_cut(bridge: Receiving) -> None:
    assoc = association(bridge)
    assert assoc.is_established
    assoc.dul.socket.send(struct.pack(">BBI", 4, 0, 1 << 31))
    wait_for(lambda: not assoc.is_established)
    check_echo(bridge)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_asks_before_he_is_answered_waits_and_loses_nothing(bridge: Receiving) -> None:
    objects = [planted(number, Pretended(seed=20)) for number in range(3)]
    sent = recorded(bridge, objects)
    with connected(bridge, sent[0]) as connection:
        answer_of(connection)
        connection.sendall(b"".join(unit for unit in sent if unit[0] == DATA) * 2)  # all of it, twice, at once
        answers = [answer_of(connection) for _ in range(6)]
    assert [STORE_ANSWER in answer and SUCCESS in answer for answer in answers] == [True] * 6
    check_echo(bridge)


@pytest.mark.parametrize(
    ("asked", "change"),
    [
        ((CT, "own"), {"SOPClassUID": CT}),  # of another class than its context
        ((CT, "own"), {}),
        ((STILL, "1.2.3.4"), {}),  # of another name than its request says
    ],
)
def test_an_object_that_is_not_what_is_said_of_it_is_refused(
    bridge: Receiving, asked: tuple[str, str], change: dict[str, str]
) -> None:
    from io import BytesIO

    from pydicom.uid import UID
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.dsutils import encode

    made, assoc = planted(1, Pretended(seed=21)), association(bridge)
    for name, value in change.items():
        setattr(made, name, UID(value))
    (context,) = (one for one in assoc.accepted_contexts if one.abstract_syntax == STILL)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = UID(asked[0])
    request.AffectedSOPInstanceUID = made.SOPInstanceUID if asked[1] == "own" else UID(asked[1])
    request.DataSet = BytesIO(encode(made, False, True) or b"")
    assoc._reactor_checkpoint.clear()  # as its own send_c_store does
    assoc.dimse.send_msg(request, context.context_id)
    _, answer = assoc.dimse.get_msg(block=True)
    assoc._reactor_checkpoint.set()
    assoc.release()
    assert answer.Status == 0xA900
    assert bridge.heads([made]) == []


def recorded(bridge: Receiving, objects: list[Any]) -> list[bytes]:
    """What a peer sends for objects, unit by unit."""
    from pynetdicom import evt

    sent: list[bytes] = []
    assoc = association(bridge, (evt.EVT_DATA_SENT, lambda event: sent.append(bytes(event.data))))
    for made in objects:
        assert assoc.send_c_store(made).Status == 0
    assoc.release()
    return sent


def answer_of(connection: socket.socket) -> bytes:
    """One unit."""
    kind_and_length = connection.recv(6, socket.MSG_WAITALL)
    return connection.recv(struct.unpack(">I", kind_and_length[2:])[0], socket.MSG_WAITALL)


def damaged(rng: random.Random, unit: bytes) -> bytes:
    """Bits flipped, a length that lies, cut, repeated, bytes put in, or nothing but noise."""
    place, data = rng.randrange(len(unit)), bytearray(unit)
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice((1, 4, 64))):
            data[rng.randrange(min(len(data), 400))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[2:6] = struct.pack(">I", rng.choice((0, 1, len(unit), 0xFFFFFFFF, rng.randrange(1 << 17))))
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        data += unit[place:] + unit
    elif kind == 4:
        data[place:place] = rng.randbytes(rng.randrange(1, 40))
    else:
        data[rng.randrange(min(len(data), 12)) :] = rng.randbytes(rng.randrange(400))
    return bytes(data)


def test_damaged_conversations_break_nothing_and_leave_no_trace(bridge: Receiving) -> None:
    rng = random.Random(6)
    sent = recorded(bridge, [planted(1, Pretended(seed=22, patient="SecretPatient"), side_px=32)])
    held = []
    for _ in range(DAMAGED):
        units = [damaged(rng, unit) if rng.random() < 0.4 else unit for unit in sent]
        connection = connected(bridge)
        connection.settimeout(0.05)
        held.append(connection)
        try:
            for number, unit in enumerate(units):
                connection.sendall(unit)
                if number == 0 and unit == sent[0]:
                    connection.recv(4096)
        except OSError:
            pass  # it was cut off, or is not answered
        if len(held) > 6:  # one address has eight places
            held.pop(0).close()
    for connection in held:
        connection.close()
    wait_for(lambda: bridge.echo()[0] == 0)
    check_echo(bridge)
    told = bridge.log.read_text()
    assert "Traceback" not in told
    assert "Secret" not in told
    for path in bridge.waiting():
        head_from_file(path)
