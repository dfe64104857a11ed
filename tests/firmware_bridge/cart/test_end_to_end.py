"""All of it at once: frames -> `edge serve` -> `edge bridge cart` -> the reference firmware's lamps, and its keys back.

Everything is a process of its own; the firmware is one on a pty pair, and a Cortex-M3 in QEMU.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import EdgeError
from edge.keyring import Keyring
from firmware_bridge.service_client import ServiceClient
from tests.edge.conftest import Maker
from tests.edge.serving import Serving, bands_bundle, captured, serving
from tests.firmware_bridge.band_frames import tissue
from tests.firmware_bridge.bridging import Bridging, bridging
from tests.firmware_bridge.cart.boards import Board, process_board, qemu_board

PATIENTS = itertools.count(1)
PERIOD_S = 0.08  # of the frames
DARK = {"captured": "00000000", "weak": "00000000"}
AI_OFF_S = 4.0  # 2 s of the rule, and a loaded machine; tests/bench measures


class Scanner:
    """Sends frames that a bridge would send; a context manager.

    Attributes:
        bands: the bright bands of the frames to come, one after the other: each is a plane, nothing is none.
    """

    def __init__(self, path: Path) -> None:
        self.bands: tuple[int, ...] = ()
        self._frames = [tissue(band) for band in range(3)]
        self._path = path
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Scanner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        with ServiceClient(self._path) as client:
            for number in itertools.count():
                if self._ends.wait(PERIOD_S):
                    return
                if bands := self.bands:
                    frame = np.roll(self._frames[bands[number % len(bands)]], number % 64, axis=1)  # else: frozen
                    with suppress(EdgeError):
                        client.put_frame(frame, "video")


@pytest.fixture(scope="module")
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("cart_end_to_end")
    keyring = Keyring(folder / "home")
    arguments = ("--source", "bridge", "--no-page", "--socket", folder / "api.sock")
    with serving(keyring.home, bands_bundle(Maker(keyring, folder)), *arguments) as running:
        yield running


@pytest.fixture
def service(_serving: Serving) -> Serving:
    status, reply = _serving.order("open", patient=f"P-{next(PATIENTS)}", study="", fetuses=1)
    assert status == 200, reply
    return _serving


@pytest.fixture
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    program = request.getfixturevalue(request.param)
    if request.param == "cart_process":
        with process_board(tmp_path, program) as running:
            yield running
    else:
        with qemu_board(tmp_path, program) as running:
            running.hand_over()
            yield running


def lamps(service: Serving) -> dict[str, str]:
    """What the panel must say of the rows."""
    rows = service.view()["exam"]["checklist"]["rows"]
    bits = {
        "captured": [row["state"] in ("captured", "confirmed") for row in rows],
        "weak": [row["low_quality"] for row in rows],
        "uncovered": [row["state"] == "not_covered" for row in rows],
    }
    return {name: f"{sum(1 << place for place, bit in enumerate(row) if bit):08x}" for name, row in bits.items()}


@contextmanager
def struck(service: Serving, kind: signal.Signals) -> Iterator[None]:
    """Each inference process is killed or stopped as soon as it is seen, until the end of the block."""
    ends = threading.Event()

    def strike() -> None:
        while not ends.wait(0.02):
            with suppress(IndexError, ProcessLookupError):
                os.kill(service.child(), kind)

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
        with suppress(IndexError, ProcessLookupError):
            os.kill(service.child(), signal.SIGCONT)  # one that hangs while it starts is given a minute


@pytest.mark.parametrize(
    ("board", "strike"),
    [
        pytest.param("cart_process", signal.SIGKILL, marks=pytest.mark.peer),  # it dies
        pytest.param("cart_elf", signal.SIGSTOP, marks=pytest.mark.qemu),  # it hangs, and all else lives
    ],
    indirect=["board"],
)
def test_planes_light_lamps_keys_capture_and_no_death_on_the_way_harms_the_exam(
    board: Board, service: Serving, strike: signal.Signals
) -> None:
    path = Path(service.ready["socket"])

    def bridge() -> Any:
        return bridging("cart", "--port", board.address, "--socket", path)

    with Scanner(path) as scanner:
        with bridge() as running:
            _planes_light_their_lamps(board, service, scanner)
            _the_freeze_key_captures_what_would_not_be(board, service, scanner, running)
            _a_lost_inference_shows(board, service, strike)
            exam = service.view()["exam"]["checklist"]["exam"]
            before = captured(service.view())
            running.process.kill()
            running.process.wait()
            board.panel(link="down", ai="off", **DARK)
        with bridge():
            board.panel(link="up", **lamps(service))
            board.panel(ai="on")
    view = service.view()
    assert view["exam"]["checklist"]["exam"] == exam
    assert captured(view) == before


def _planes_light_their_lamps(board: Board, service: Serving, scanner: Scanner) -> None:
    board.panel(link="up", ai="off", answer="none", rows="7", **DARK)
    scanner.bands = (0,)
    plane = board.panel(ai="on", answer="plane", rung="00000001")["plane"]
    service.wait_view(lambda view: set(captured(view)) == {plane})
    row = 1 << int(board.panel(plane=plane, **lamps(service))["row"])
    assert row in {int(word, 16) for word in lamps(service).values()}


def _the_freeze_key_captures_what_would_not_be(
    board: Board, service: Serving, scanner: Scanner, bridge: Bridging
) -> None:
    """Planes that change with each frame are never captured by themselves; the frame of the key is, at once."""
    (first,) = captured(service.view())
    scanner.bands = (0, 1)
    time.sleep(1.5)
    assert set(captured(service.view())) == {first}
    while len(captured(service.view())) == 1:  # the frame of the key may be of the plane that is there already
        board.press("F")
        told = bridge.wait(lambda line: line["event"] == "order")
        assert (told["order"], told["status"]) == ("freeze", "ok")
        board.press("f")
        bridge.wait(lambda line: line["event"] == "key")
        time.sleep(0.3)
    board.panel(**lamps(service))


def _a_lost_inference_shows(board: Board, service: Serving, kind: signal.Signals) -> None:
    board.panel(ai="on")
    started_s = time.monotonic()
    with struck(service, kind):
        shown = board.panel(ai="off")
        took_s = time.monotonic() - started_s
    assert took_s < AI_OFF_S
    assert (shown["link"], shown["answer"]) == ("up", "none")
    assert lamps(service).items() <= shown.items()
    print(f"AI off {took_s:.2f} s after {kind.name} for the inference process")
    board.panel(ai="on")
