"""A whole cart: every process that one has, joined as on a cart, around one exam.

::

    writer --FIFO--> edge bridge video --.                      .--> page in Chromium, its user
    storescu ------> edge bridge dicom --+-- edge serve --------+
    firmware in QEMU -- relay -- edge bridge cart --------------'--> Watch
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.plane_check_service import BUNDLE
from tests.bench.whole_cart_line import Cart
from tests.bench.whole_cart_page import Page
from tests.bench.whole_cart_scanner import KEY, Scanner
from tests.bench.whole_cart_units import Unit, inference_pid
from tests.bench.whole_cart_video import Writer, render, writing
from tests.bench.whole_cart_watch import Watch
from tests.firmware_bridge.cart.c_programs import firmware
from tests.firmware_bridge.dicom.archives import free_port

WAIT_S = 60.0  # a loaded machine
LOOK_S = 0.02


@dataclass
class Room:
    """What runs.

    Attributes:
        folder: of everything.
        serve: the plane check.
        dicom: the bridge of the scanner.
        link: the bridge of the cart.
        dicom_port: where the first of them listens.
        cart: the firmware.
        scanner: the pushes.
        page: in Chromium.
        watch: of the views.
        exam: its id.
    """

    folder: Path
    serve: Unit
    dicom: Unit
    link: Unit
    dicom_port: int
    cart: Cart
    scanner: Scanner
    page: Page
    watch: Watch
    exam: str = ""

    @property
    def api(self) -> Path:
        """The service's socket."""
        return self.folder / "api.sock"

    @property
    def store(self) -> Path:
        """The exams."""
        return self.folder / "exams.db"

    def until(self, condition: Callable[[], object], what: str, limit_s: float = WAIT_S) -> float:
        """Seconds until something is so.

        Raises:
            TimeoutError: it does not become so.
        """
        start_s = time.monotonic()
        while not condition():
            self.page.check()
            if time.monotonic() - start_s > limit_s:
                view, _ = self.watch.newest()
                state = "silent" if view is None else f"{view.source.signal}, {view.engine.cause}"
                raise TimeoutError(f"not within {limit_s:.0f} s: {what}; the box: {state}; lamps: {self.cart.lamps}")
            time.sleep(LOOK_S)
        return time.monotonic() - start_s


@dataclass
class Video:
    """A writer and the bridge that reads it."""

    writer: Writer
    bridge: Unit


@contextmanager
def whole_cart(folder: Path, hold_s: float, glide_s: float) -> Iterator[Room]:
    """Everything but the video, ready, with the exam open.

    Args:
        folder: an empty one.
        hold_s: how long the slideshow holds a plane.
        glide_s: how long it takes to the next one.
    """
    for name in ("cart", "stills"):
        (folder / name).mkdir()
    os.mkfifo(folder / "video.y4m")
    render(folder / "frames", hold_s, glide_s)
    elf, dicom_port, page_port = firmware(folder, "cart.elf"), free_port(), free_port()
    api, key = folder / "api.sock", ("--patient", KEY.patient, "--study", KEY.study)
    with ExitStack() as stack:

        def unit(name: str, *arguments: object) -> Unit:
            return stack.enter_context(Unit(name, folder / f"{name}.log", *arguments))

        serve = unit(
            *("serve", "serve", BUNDLE, "--source", "bridge:video", *key, "--store", folder / "exams.db"),
            *("--socket", api, "--port", page_port),
        )
        cart = stack.enter_context(Cart(folder / "cart", elf))
        address = serve.wait_ready()["page"]
        dicom = unit("dicom", "bridge", "dicom", "--port", dicom_port, "--socket", api, "--spool", folder / "spool")
        link = unit("cart", "bridge", "cart", "--port", cart.address, "--socket", api, "--foot", "none")
        page = stack.enter_context(Page(address))
        dicom.wait_ready()
        scanner = Scanner(folder / "stills", dicom_port, folder / "spool")
        room = Room(folder, serve, dicom, link, dicom_port, cart, scanner, page, Watch(api, cart))
        room.until(lambda: room.watch.newest()[0] is not None, "a view")
        view, _ = room.watch.newest()
        assert view is not None and view.exam is not None
        room.exam = view.exam.checklist.exam
        yield room


@contextmanager
def video(room: Room) -> Iterator[Video]:
    """A screen of 30 frames/s and its bridge."""
    fifo = room.folder / "video.y4m"
    with (
        Unit("video", room.folder / "video.log", "bridge", "video", f"pipe:{fifo}", "--socket", room.api) as bridge,
        writing(fifo, room.folder / "frames") as writer,
    ):
        bridge.wait_ready()
        yield Video(writer, bridge)


def pids(room: Room, shown: Video) -> dict[str, int]:
    """Whose memory is watched."""
    units = {unit.name: unit.pid for unit in (room.serve, room.dicom, room.link, shown.bridge)}
    return {**units, "inference": inference_pid(room.serve)}
