"""The cart: its firmware in QEMU, its line through a relay that can be pulled, its keys, and a ledger of what passed.

::

    keys --panel UART--> firmware (QEMU) --link UART-- Relay --Unix socket-- edge bridge cart
    lamps <-panel UART--'                                `-- Ledger: each key's event, and what it was answered
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from firmware_bridge.proto import cart_pb2
from tests.firmware_bridge.cart.boards import PATIENCE_S, Board, qemu_board
from tests.firmware_bridge.cart.reference_frame import message_ref

DOWN_S = 0.06  # a key is held so long at least; the firmware wants 10 ms of rest
HELD_S = (
    0.5  # and so long at most where no line tells that it was seen: an emulated processor may stand still meanwhile
)
Event = tuple[int, int]  # boot of the cart, number of the event


class Ledger:
    """What passed the line.

    Attributes:
        inputs: events that the cart told: button, and whether it went down.
        answers: their status, of answers that reached the cart.
        repeated: how often an event was told again.
    """

    def __init__(self) -> None:
        self.inputs: dict[Event, tuple[int, bool]] = {}
        self.answers: dict[Event, int] = {}
        self.repeated = 0
        self._boot = 0
        self._events: dict[int, Event] = {}
        self._rests = {True: b"", False: b""}

    def take(self, data: bytes, is_of_cart: bool) -> None:
        """Bytes on their way."""
        *frames, self._rests[is_of_cart] = (self._rests[is_of_cart] + data).split(b"\0")
        for frame in frames:
            message = message_ref(frame) if frame else None
            if message is not None:
                self._said(cart_pb2.Message.FromString(message), is_of_cart)

    def cut(self) -> None:
        """The line was pulled: what was half said is gone."""
        self._rests = {True: b"", False: b""}

    def _said(self, message: cart_pb2.Message, is_of_cart: bool) -> None:
        kind = message.WhichOneof("body")
        if is_of_cart and kind == "hello" and message.hello.boot_id != self._boot:
            self._boot = message.hello.boot_id
            self._events.clear()
        elif is_of_cart and kind == "input":
            event = (self._boot, message.input.event_id)
            self.repeated += event in self.inputs
            self.inputs[event] = (message.input.button, message.input.pressed)
            self._events[message.sequence] = event
        elif not is_of_cart and kind == "ack" and message.ack.sequence in self._events:
            self.answers.setdefault(self._events[message.ack.sequence], message.ack.status)


class Cart:
    """A context manager.

    Attributes:
        address: of the box's end, for `--port`.
        ledger: of the line.
        lamps: newest line of the panel, by word.
        lamps_s: when it came, monotonic; 0: none since the last boot.
        presses: of the freeze key, down and up.
        steps: of the foot switch, each down or up.
        boots: how often the cart was started.
    """

    def __init__(self, folder: Path, elf: Path) -> None:
        """Nothing runs yet.

        Args:
            folder: for sockets.
            elf: the firmware.
        """
        self.address = f"unix:{folder / 'cart.sock'}"
        self.ledger, self.presses, self.steps, self.boots = Ledger(), 0, 0, 0
        self.lamps: dict[str, str] = {}
        self.lamps_s = 0.0
        self._folder, self._elf = folder, elf
        self._hand = threading.Lock()  # one hand on the keys, and none on a cart that starts
        self._turn = threading.Lock()
        self._boards, self._doors = ExitStack(), ExitStack()
        self._board: Board | None = None
        self._listener: socket.socket | None = None
        self._box: socket.socket | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._relay, name="line", daemon=True)

    def __enter__(self) -> Cart:
        self._start()
        self.put_back()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        self.pull()
        self._boards.close()

    @property
    def events(self) -> int:
        """That the keys caused."""
        return 2 * self.presses + self.steps

    @property
    def is_answered(self) -> bool:
        """Whether each has its answer."""
        return len(self.ledger.answers) >= self.events

    def press(self) -> None:
        """The freeze key, down and up."""
        with self._hand:
            assert self._board is not None
            self.presses += 1
            for letter in ("F", "f"):
                seen, end_s = len(self.ledger.inputs), time.monotonic() + HELD_S
                self._board.press(letter)
                time.sleep(DOWN_S)
                while len(self.ledger.inputs) == seen and time.monotonic() < end_s:
                    time.sleep(0.01)

    def step(self) -> None:
        """The foot switch moves; it does not bounce, so that nothing depends on how long."""
        with self._hand:
            assert self._board is not None
            self.steps += 1
            self._board.press("e")

    def pull(self) -> None:
        """The line is cut, and nobody can open it."""
        with self._turn:
            self._doors.close()
            self._listener = self._box = None
            self.ledger.cut()
        Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)

    def put_back(self) -> None:
        """The line can be opened again."""
        with self._turn:
            self._listener = self._doors.enter_context(socket.socket(socket.AF_UNIX))
            self._listener.bind(self.address.removeprefix("unix:"))
            self._listener.listen(1)

    def reboot(self) -> float:
        """The microcontroller loses its power and starts: when it does, monotonic; no key is touched until it runs.

        A press that waits for its answer would be lost with it: they are waited for.
        """
        with self._hand:
            self._wait(lambda: self.is_answered)
            with self._turn:
                self._boards.close()
                self.lamps, self.lamps_s, start_s = {}, 0.0, time.monotonic()
                self._start()
            self._wait(lambda: self.lamps_s > start_s)
        return start_s

    def _wait(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, (
                self.lamps,
                self.events,
                len(self.ledger.inputs),
                len(self.ledger.answers),
            )
            time.sleep(0.02)

    def _start(self) -> None:
        self.boots += 1
        folder = self._folder / f"boot{self.boots}"
        folder.mkdir()
        self._board = self._boards.enter_context(qemu_board(folder, self._elf, 1000 + self.boots))

    def _relay(self) -> None:
        while not self._ends.is_set():
            with self._turn:
                assert self._board is not None
                ends = [end for end in (self._listener, self._box) if end is not None]
                ready = select.select([self._board.line, self._board.lamps, *ends], [], [], 0.01)[0]
                if self._listener in ready:
                    assert self._listener is not None
                    self._box = self._doors.enter_context(self._listener.accept()[0])
                if self._board.line in ready:
                    self._pass(os.read(self._board.line, 4096), True)
                if self._box in ready:
                    self._from_box()
                if self._board.lamps in ready and (words := self._board.shown()):
                    self.lamps, self.lamps_s = words, time.monotonic()
            time.sleep(0.001)  # others may have the turn

    def _from_box(self) -> None:
        assert self._box is not None
        try:
            data = self._box.recv(4096)
        except OSError:
            data = b""
        if data:
            self._pass(data, False)
        else:  # the bridge died
            self._box = None
            self.ledger.cut()

    def _pass(self, data: bytes, is_of_cart: bool) -> None:
        assert self._board is not None
        if not is_of_cart:
            os.write(self._board.line, data)
        elif self._box is None:
            return  # the line is pulled: nobody hears the cart
        else:
            try:
                self._box.sendall(data)
            except OSError:
                self._box = None
        self.ledger.take(data, is_of_cart)
