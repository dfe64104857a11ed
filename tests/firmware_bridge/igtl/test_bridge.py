"""`edge bridge igtl` as a process: strangers on its port, without a plane check behind it."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command
from tests.firmware_bridge.bridging import WAIT_S, Bridging, bridging
from tests.firmware_bridge.igtl.strangers import closed_after_s, connected, flood
from tests.firmware_bridge.igtl.written import claiming, image, image_content, message

MALFORMED = 1000  # `make evidence` runs 100,000
STALL_S = 0.3


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridging]:
    nowhere = tmp_path_factory.mktemp("none") / "none.sock"
    with bridging("igtl", "--listen", 0, "--socket", nowhere, "--body-timeout", STALL_S) as running:
        yield running


def ended(bridge: Bridging) -> Any:
    """The counts of a bridge that is told to stop; it must end in order."""
    bridge.process.terminate()
    counts = bridge.wait(lambda line: line["event"] == "ended")
    assert bridge.process.wait(WAIT_S) == 0
    assert bridge.process.stderr is not None
    assert bridge.process.stderr.read() == ""
    return counts


def test_an_address_that_is_taken_is_told(bridge: Bridging, edge: Command, tmp_path: Path) -> None:
    done = edge("bridge", "igtl", "--listen", bridge.ready["port"], "--socket", tmp_path / "none.sock", "--json")
    assert done.code == 1
    assert "cannot be bound" in done.out


def test_after_all_that_strangers_do_it_still_serves_and_ends_in_order(bridge: Bridging) -> None:
    port = bridge.ready["port"]
    for _ in range(50):  # a port scanner: reset before the bridge looks at it
        end = connected(port)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
    with connected(port) as end:
        closed_after_s(end, claiming(1 << 62))  # broken, as its count says, and not stalled
    with connected(port) as end:
        assert STALL_S * 0.9 < closed_after_s(end, claiming(1 << 20) + bytes(500)) < WAIT_S
    with connected(port) as end:
        for _ in range(5):
            end.sendall(message("IMAGE", image_content(), crc=3))
        time.sleep(0.1)
    closed = flood(port, MALFORMED, random.Random(5))
    with connected(port) as end:
        end.sendall(image(64, 48, 1, bytes(64 * 48)))
        told = end.recv(1 << 16)
        assert b'"ai_on":false' in told
        assert b"AI off" in told
        time.sleep(0.5)
    counts = ended(bridge)
    assert (counts["faults"], counts["sent"]) == (0, 0)
    starved = counts["stalled"] - 1  # on a loaded machine a piece of the flood may not end in time
    assert starved >= 0
    assert closed + 1 - starved <= counts["broken"] <= closed + 1
    assert counts["broken"] > MALFORMED / 10
    assert counts["damaged"] >= 5
    lost = sum(counts[name] for name in ("away", "dropped", "stale", "unfit", "others"))
    assert 0 <= counts["received"] - lost <= 1  # one may be on its way to the plane check


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((), "has no peer"), (("--listen", "0.0.0.0:1"), "anybody"), (("--connect", "18944"), "no address"),
        (("--listen", "x"), "no address"), (("--listen", 0, "--allow", "x"), "no network"),
        (("--listen", 0, "--roi", "1,2"), "no region"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(arguments: tuple[object, ...], cause: str, edge: Command, tmp_path: Path) -> None:
    done = edge("bridge", "igtl", "--socket", tmp_path / "none.sock", *arguments, "--json")
    assert done.code == 2
    assert cause in done.out


def test_the_cure_of_a_wrong_place_to_listen_says_that_a_port_alone_will_do(edge: Command, tmp_path: Path) -> None:
    done = edge("bridge", "igtl", "--socket", tmp_path / "none.sock", "--listen", "x", "--json")
    assert "or PORT alone" in done.out
