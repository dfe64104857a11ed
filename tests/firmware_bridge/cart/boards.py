"""The reference firmware running, as a process on a socat pty pair or on a Cortex-M3 in QEMU, and a box's end of it.

::

    cart (process) -- pty -- socat -- pty --.
    cart.elf in qemu-system-arm -- socket --+-- Box: hello, ack, newest event -- the test
    panel: standard input and output, or the second UART -- the test

The box here is small and knows no service; `firmware_bridge/cart/` is the real one.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.proto import cart_pb2 as cart
from firmware_bridge.proto.schema import MAJOR, SCHEMA_HASH
from tests.firmware_bridge.cart.c_programs import panel_words, tool
from tests.firmware_bridge.cart.reference_frame import frame_ref, message_ref

PATIENCE_S = 20.0  # a machine that trains something else besides
BOOT_WORD = 0x20000000  # address of .noinit, mps2/link.ld


@dataclass
class Board:
    """A running firmware.

    Attributes:
        line: file descriptor of the box's end of the link.
        keys: file descriptor that takes the panel's letters.
        lamps: file descriptor that gives the panel's lines.
        address: of the box's end, as `edge bridge cart --port` takes it.
        monitor: QEMU's own socket, or None.
    """

    line: int
    keys: int
    lamps: int
    address: str = ""
    monitor: Path | None = None
    _text: str = ""

    def hand_over(self) -> None:
        """Let another program have the box's end of a QEMU board: its socket takes one at a time."""
        with socket.socket(fileno=os.dup(self.line)) as end:
            end.shutdown(socket.SHUT_RDWR)

    def press(self, letters: str) -> None:
        """Work the panel's contacts."""
        os.write(self.keys, letters.encode())

    def panel(self, **wanted: str) -> dict[str, str]:
        """Wait for a panel line with these words."""
        end = time.monotonic() + PATIENCE_S
        words: dict[str, str] = {}
        while time.monotonic() < end:
            while "\n" in self._text:
                line, _, self._text = self._text.partition("\n")
                words = panel_words(line)
                if wanted.items() <= words.items():
                    return words
            self._read(0.1)
        raise AssertionError(f"the panel never showed {wanted}; last: {words}")

    def shown(self) -> dict[str, str]:
        """The newest whole panel line, without waiting; the ones before it are gone."""
        while self._read(0.0):
            pass
        *lines, rest = self._text.split("\n")
        self._text = "\n".join([*lines[-1:], rest])
        return panel_words(lines[-1]) if lines else {}

    def _read(self, seconds: float) -> bool:
        is_ready = select.select([self.lamps], [], [], seconds)[0]
        data = os.read(self.lamps, 4096) if is_ready else b""
        self._text += data.decode("ascii", "replace")
        return bool(data)


@dataclass
class Box:
    """The other end: says hello, acknowledges, keeps each event once.

    Attributes:
        line: file descriptor.
        boot_id: of this box.
        damage: share of frames that are damaged, each way.
        inputs: events in the order in which they were acted on.
        acks: of commands, by sequence.
        cart_boot: boot id of the cart; 0: not heard.
    """

    line: int
    boot_id: int = 9
    damage: float = 0.0
    random: random.Random = field(default_factory=lambda: random.Random(1))
    inputs: list[cart.Input] = field(default_factory=list)
    acks: dict[int, cart.Ack] = field(default_factory=dict)
    answers: list[cart.TimeSync] = field(default_factory=list)
    cart_boot: int = 0
    is_up: bool = False
    sequence: int = 0
    _rest: bytes = b""

    def send(self, message: cart.Message) -> int:
        """Frame and write; returns the sequence."""
        self.sequence += 1
        message.sequence = self.sequence
        os.write(self.line, self._damaged(frame_ref(message.SerializeToString())))
        return self.sequence

    def hello(self) -> None:
        """Say who this is."""
        fields = cart.Hello(
            major=MAJOR, schema_hash=SCHEMA_HASH, role=cart.ROLE_BOX, boot_id=self.boot_id,
            heard_boot_id=self.cart_boot, ready=self.is_up,
        )  # fmt: skip
        self.send(cart.Message(hello=fields))

    def serve(self, seconds: float) -> None:
        """Read what has come, for at most so long."""
        if not select.select([self.line], [], [], seconds)[0]:
            return
        *frames, self._rest = (self._rest + os.read(self.line, 4096)).split(b"\0")
        for frame in frames:
            data = message_ref(self._damaged(frame))
            if data is not None:
                self._take(cart.Message.FromString(data))

    def serve_until(self, wanted: str) -> None:
        """Serve until an attribute of this box is true."""
        end = time.monotonic() + PATIENCE_S
        while not getattr(self, wanted):
            assert time.monotonic() < end, f"no {wanted}"
            self.serve(0.1)

    def serve_inputs(self, count: int) -> None:
        """Serve until so many events have come."""
        end = time.monotonic() + PATIENCE_S
        while len(self.inputs) < count:
            assert time.monotonic() < end, f"{len(self.inputs)} of {count} events"
            self.serve(0.1)

    def _take(self, message: cart.Message) -> None:
        kind = message.WhichOneof("body")
        if kind == "hello":
            self.is_up = message.hello.heard_boot_id == self.boot_id
            self.cart_boot = message.hello.boot_id
            if not message.hello.ready:
                self.hello()
        elif kind == "input":
            if not self.inputs or message.input.event_id > self.inputs[-1].event_id:
                self.inputs.append(message.input)
            self.send(cart.Message(ack=cart.Ack(sequence=message.sequence)))
        elif kind == "ack":
            self.acks[message.ack.sequence] = message.ack
        elif kind == "time_sync":
            self.answers.append(message.time_sync)

    def _damaged(self, frame: bytes) -> bytes:
        if self.random.random() >= self.damage or not frame:
            return frame
        at, kind = self.random.randrange(len(frame)), self.random.randrange(4)
        flipped = bytes([frame[at] ^ (1 << self.random.randrange(8))])
        return (frame[:at] + flipped + frame[at + 1 :], b"", frame[:at] + b"\x5a" + frame[at:], frame[:at])[kind]


@contextmanager
def process_board(folder: Path, program: Path) -> Iterator[Board]:
    """The POSIX port on a pty pair, its ends in the folder."""
    ends = [folder / "box.pty", folder / "cart.pty"]
    with _running([tool("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends)]):
        _wait_for(*ends)
        line = os.open(ends[0], os.O_RDWR | os.O_NOCTTY)
        tty.setraw(line, termios.TCSANOW)
        cart_process = subprocess.Popen([program, ends[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert cart_process.stdin and cart_process.stdout
            yield Board(line, cart_process.stdin.fileno(), cart_process.stdout.fileno(), str(ends[0]))
        finally:
            os.close(line)
            cart_process.communicate(timeout=PATIENCE_S)  # the end of its input ends it
            assert cart_process.returncode == 0


@contextmanager
def qemu_board(folder: Path, elf: Path, boot_word: int = 1) -> Iterator[Board]:
    """The Cortex-M3 port in QEMU, its sockets in the folder."""
    ends = [folder / "line.socket", folder / "panel.socket"]
    monitor = folder / "monitor.socket"
    command = [tool("qemu-system-arm"), "-M", "mps2-an385", "-display", "none", "-kernel", str(elf)]
    command += ["-monitor", f"unix:{monitor},server=on,wait=off"]
    command += [word for end in ends for word in ("-serial", f"unix:{end},server=on,wait=on")]
    command += ["-device", f"loader,addr={BOOT_WORD},data={boot_word},data-len=4"]
    with _running(command), _connected(ends[0]) as line, _connected(ends[1]) as panel:
        yield Board(line.fileno(), panel.fileno(), panel.fileno(), f"unix:{ends[0]}", monitor)


def memory(board: Board, address: int, size: int, target: Path) -> bytes:
    """What lies in the microcontroller's RAM."""
    assert board.monitor
    with _connected(board.monitor) as monitor:
        monitor.sendall(f'pmemsave {address} {size} "{target}"\n'.encode())
        end = time.monotonic() + PATIENCE_S
        while not target.exists() or target.stat().st_size < size:
            assert time.monotonic() < end, "QEMU saved nothing"
            threading.Event().wait(0.01)
    return target.read_bytes()


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for(*paths: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not all(path.exists() for path in paths):
        assert time.monotonic() < end, f"{paths} did not come"
        threading.Event().wait(0.01)


def _connected(path: Path) -> socket.socket:
    _wait_for(path)
    end, give_up = socket.socket(socket.AF_UNIX), time.monotonic() + PATIENCE_S
    while end.connect_ex(str(path)):  # bound, but not listening yet
        assert time.monotonic() < give_up, f"{path} takes no connection"
        threading.Event().wait(0.01)
    return end
