"""`edge bridge igtl` as a process: strangers on its port, without a plane check behind it."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.igtl.decoder import Decoder, Tally
from firmware_bridge.igtl.header import StreamError
from tests.firmware_bridge.bridging import WAIT_S, Bridging, bridging, started
from tests.firmware_bridge.igtl.written import claiming, image, image_content, malformed, message

MALFORMED = 5000  # `make evidence` runs 100,000
STALL_S = 0.3


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridging]:
    with bridging("igtl", "--listen", 0, "--socket", tmp_path / "none.sock", "--body-timeout", STALL_S) as running:
        yield running


def connected(bridge: Bridging) -> socket.socket:
    end = socket.create_connection(("127.0.0.1", bridge.ready["port"]), WAIT_S)
    end.settimeout(WAIT_S)
    return end


def closed_after_s(end: socket.socket) -> float:
    start_s = time.monotonic()
    try:
        while end.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - start_s


def ended(bridge: Bridging) -> Any:
    """The counts of a bridge that is told to stop; it must end in order."""
    bridge.process.terminate()
    counts = bridge.wait(lambda line: line["event"] == "ended")
    assert bridge.process.wait(WAIT_S) == 0
    assert bridge.process.stderr is not None
    assert bridge.process.stderr.read() == ""
    return counts


def test_without_a_plane_check_images_are_lost_and_counted_and_the_peer_hears_ai_off(bridge: Bridging) -> None:
    with connected(bridge) as end:
        end.sendall(image(64, 48, 1, bytes(64 * 48)))
        told = end.recv(1 << 16)
        assert b'"ai_on":false' in told
        assert b"AI off" in told
        time.sleep(0.5)
    counts = ended(bridge)
    assert (counts["received"], counts["away"], counts["sent"]) == (1, 1, 0)


def test_a_header_that_claims_2_to_the_62_bytes_is_refused_at_once(bridge: Bridging) -> None:
    with connected(bridge) as end:
        end.sendall(claiming(1 << 62))
        assert closed_after_s(end) < STALL_S
    with connected(bridge) as end:
        end.sendall(image())
    assert ended(bridge)["broken"] == 1


@pytest.mark.parametrize("begun", [b"\0\1IMA", claiming(1 << 20) + bytes(500)], ids=["header", "body"])
def test_a_message_that_does_not_end_is_closed(bridge: Bridging, begun: bytes) -> None:
    with connected(bridge) as end:
        end.sendall(begun)
        assert STALL_S * 0.9 < closed_after_s(end) < STALL_S + 2
    assert ended(bridge)["stalled"] == 1


def test_a_body_that_drips_is_closed_as_well(bridge: Bridging) -> None:
    with connected(bridge) as end:
        end.sendall(claiming(1 << 20))
        start_s = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            while time.monotonic() < start_s + 5:
                end.sendall(b"\0")
                time.sleep(0.02)
        assert time.monotonic() - start_s < STALL_S + 2


def test_a_peer_that_only_listens_stays(bridge: Bridging) -> None:
    with connected(bridge) as end:
        time.sleep(3 * STALL_S)
        end.sendall(image())
        assert end.recv(1 << 16)


def test_idle_connections_do_not_keep_a_sender_out(bridge: Bridging) -> None:
    idle = [connected(bridge) for _ in range(30)]
    with connected(bridge) as end:
        end.sendall(image())
        time.sleep(0.3)
    for one in idle:
        one.close()
    assert ended(bridge)["received"] == 1


def test_damaged_messages_are_counted_and_none_is_delivered(bridge: Bridging) -> None:
    with connected(bridge) as end:
        for _ in range(5):
            end.sendall(message("IMAGE", image_content(), crc=3))
        time.sleep(0.3)
    counts = ended(bridge)
    assert (counts["damaged"], counts["received"], counts["away"]) == (5, 0, 0)


def flood(bridge: Bridging, count: int, seed: int) -> int:
    """Send malformed messages, each to a connection that is open; how many connections they cost."""
    draw, closed = random.Random(seed), 0
    end, decoder = connected(bridge), Decoder(Tally())
    for _ in range(count):
        data = malformed(draw)
        try:
            for _ in decoder.feed(data):
                continue
            end.sendall(data)
        except StreamError:
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)
            closed_after_s(end)
            end.close()
            end, decoder, closed = connected(bridge), Decoder(Tally()), closed + 1
        except OSError:  # a piece of a message that did not end in time
            end.close()
            end, decoder = connected(bridge), Decoder(Tally())
    end.close()
    return closed


def test_after_thousands_of_malformed_messages_it_still_serves(bridge: Bridging) -> None:
    closed = flood(bridge, MALFORMED, 5)
    with connected(bridge) as end:
        end.sendall(image(40, 30, 1, bytes(1200)))
        assert b"AI off" in end.recv(1 << 16)
    counts = ended(bridge)
    assert counts["faults"] == 0
    assert counts["broken"] == closed > MALFORMED / 10


def test_an_address_that_is_taken_is_told(bridge: Bridging, tmp_path: Path) -> None:
    code, out = started("igtl", "--listen", bridge.ready["port"], "--socket", tmp_path / "none.sock")
    assert code == 1
    assert "cannot be bound" in out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((), "has no peer"), (("--listen", "0.0.0.0:1"), "anybody"), (("--connect", "18944"), "no address"),
        (("--listen", "x"), "no address"), (("--listen", 0, "--allow", "x"), "no network"),
        (("--listen", 0, "--roi", "1,2"), "no region"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(arguments: tuple[object, ...], cause: str, tmp_path: Path) -> None:
    code, out = started("igtl", "--socket", tmp_path / "none.sock", *arguments)
    assert code == 2
    assert cause in out
