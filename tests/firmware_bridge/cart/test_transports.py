"""Ports: what they refuse, what they tell when the other end is gone, and a link that comes back over them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.errors import MachineError, PeerError, UsageError
from firmware_bridge.cart.command import clock
from firmware_bridge.cart.hello import box_hello, sim_hello
from firmware_bridge.cart.line import Line, Waker
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import State
from firmware_bridge.cart.listeners import listening
from firmware_bridge.cart.transports import (
    MAX_UNSENT_BYTES,
    UNHEARD_MS,
    Port,
    loopback,
    open_serial,
    open_tcp,
    open_unix,
    opener_from_text,
)  # fmt: skip

DISCONNECTS = 8  # `make evidence` runs 200
WAIT_S = 10.0


def read(port: Port) -> bytes:
    deadline = time.monotonic() + WAIT_S
    while not (data := port.read()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return data


@pytest.mark.parametrize(
    "text",
    ["", "com1", "tcp:", "tcp:host", "tcp:host:", "tcp:host:x", "tcp:host:70000", "tcp:a..b:1", "unix:", "usb:1"],
)
def test_a_text_that_names_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        opener_from_text(text)


@pytest.mark.parametrize("text", ["pty:", "tcp:1", "serial:x", "unix:"])
def test_a_text_that_names_no_place_to_wait_is_refused(text: str) -> None:
    with pytest.raises(UsageError), listening(text):
        pass


def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    for text in (f"unix:{tmp_path / 'there'}", f"pty:{tmp_path / 'there'}"):
        with pytest.raises(MachineError), listening(text):
            pass


@pytest.mark.parametrize(
    "opener",
    [
        lambda folder: open_serial(str(folder / "ttyACM9"), 115200),
        lambda folder: open_unix(str(folder / "none.sock")),
        lambda folder: open_tcp("127.0.0.1", 1),
    ],
)
def test_a_cart_that_is_not_there_is_a_peer_error(opener: Callable[[Path], Port], tmp_path: Path) -> None:
    with pytest.raises(PeerError) as caught:
        opener(tmp_path)
    assert caught.value.cure


def test_the_reason_of_a_serial_line_is_said_in_words(tmp_path: Path) -> None:
    assert refused(tmp_path / "ttyACM9").endswith("opened: No such file or directory.")
    assert refused(Path(os.devnull)).endswith("opened: it is no serial line.")
    with listening(f"pty:{tmp_path}/tty") as place, opener_from_text(place.address)():
        assert refused(tmp_path / "tty").endswith("opened: another program has it open.")


def refused(path: Path) -> str:
    """Why a serial line cannot be opened."""
    with pytest.raises(PeerError) as caught:
        open_serial(str(path), 115200)
    return caught.value.cause


@pytest.mark.parametrize("kind", ["unix", "tcp", "pty"])
def test_bytes_pass_both_ways(kind: str, tmp_path: Path) -> None:
    place = {"unix": f"unix:{tmp_path}/c.sock", "tcp": "tcp:127.0.0.1:0", "pty": f"pty:{tmp_path}/tty"}[kind]
    with listening(place) as found, opener_from_text(found.address)() as near, found.opener() as far:
        assert near.read() == b""
        near.write(bytes(range(256)))
        assert read(far) == bytes(range(256))
        far.write(b"\x00\x03\x11\x13\n\r")
        assert read(near) == b"\x00\x03\x11\x13\n\r"


def test_a_tcp_port_does_not_wait_for_more_bytes_nor_for_a_peer_that_vanished() -> None:
    with listening("tcp:127.0.0.1:0") as found, opener_from_text(found.address)() as near, found.opener() as far:
        for port in (near, far):
            with socket.socket(fileno=os.dup(port.fileno())) as end:
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNHEARD_MS


def test_a_listener_that_hangs_does_not_hold_up_who_calls(tmp_path: Path) -> None:
    path = str(tmp_path / "hung.sock")
    with socket.socket(socket.AF_UNIX) as end, ExitStack() as stack:
        end.bind(path)
        end.listen(0)
        started_s = time.monotonic()
        with pytest.raises(PeerError):
            for _ in range(8):  # until its queue is full
                stack.enter_context(open_unix(path))
        assert time.monotonic() - started_s < WAIT_S


def test_a_closed_end_is_told() -> None:
    near, far = loopback()
    with near:
        far.__exit__(None, None, None)
        with pytest.raises(PeerError, match="gone"):
            near.read()
        with pytest.raises(PeerError, match="gone"):
            near.write(b"x" * 10)
            near.write(b"x" * 10)


def test_a_peer_that_takes_nothing_is_given_up_and_costs_no_memory() -> None:
    near, far = loopback()
    with near, far, pytest.raises(PeerError, match="takes nothing"):
        for _ in range(10_000):
            near.write(bytes(1000))
            assert len(near._unsent) <= MAX_UNSENT_BYTES


def test_a_serial_line_belongs_to_one_process(tmp_path: Path) -> None:
    with listening(f"pty:{tmp_path / 'tty'}") as found, open_serial(found.address, 115200):
        program = "import sys; from firmware_bridge.cart.transports import open_serial; open_serial(sys.argv[1], 9600)"
        command = [sys.executable, "-c", program, found.address]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "PeerError" in done.stderr


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[tuple[Line, Line]]:
    """A box and a cart over a Unix socket, both in this thread."""
    with listening(f"unix:{tmp_path / 'cart.sock'}") as found, Waker() as one, Waker() as other:
        box = Line(Link(box_hello(), clock()), opener_from_text(found.address), one, clock)
        with box, Line(Link(sim_hello(), clock()), found.opener, other, clock) as cart:
            yield box, cart


def test_a_link_comes_back_within_two_seconds_every_time(lines: tuple[Line, Line]) -> None:
    longest_s = 0.0
    for number in range(DISCONNECTS):
        started_s = time.monotonic()
        while not all(line.link.state is State.UP for line in lines):
            for line in lines:
                line.turn(0.01)
        longest_s = max(longest_s, time.monotonic() - started_s)
        lines[number % 2].drop(PeerError("Unplugged.", "Plug it in."))
        assert lines[number % 2].link.state is State.CLOSED
    assert longest_s < 2.0


def test_a_thread_that_wakes_too_late_writes_into_nobody_elses_file() -> None:
    with Waker() as waker:
        pass
    reading, writing = os.pipe()  # has the numbers that the waker had
    os.set_blocking(reading, False)
    waker.wake()
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    os.close(reading)
    os.close(writing)


def test_a_wake_ends_the_wait() -> None:
    near, far = loopback()
    with far, Waker() as waker, Line(Link(box_hello(), clock()), lambda: near, waker, clock) as line:
        waker.wake()
        started_s = time.monotonic()
        line.turn(5.0)
        assert time.monotonic() - started_s < 1.0
