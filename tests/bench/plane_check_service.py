"""The running plane check for measurements: the service's own loop and desk over a given source, without its API.

::

    source -> Reader -> Newest -> Pump + Child -> Desk -> store       `states`: frame-to-state latency of each answer
    a page in a thread of its own: view and live picture, ten times a second
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.keyring import Keyring, home_from_environment
from edge.loading import load_bundle
from edge.protocol import load_protocol
from edge.service.answer import Answer
from edge.service.bedside_facts import BedsideFacts
from edge.service.child import Child
from edge.service.child_settings import ChildSettings
from edge.service.desk import Desk
from edge.service.newest import Newest
from edge.service.plane_check import PlaneCheck
from edge.service.pump import Pump
from edge.service.reader import Reader
from edge.service.status import Status
from edge.store import open_store

if TYPE_CHECKING:
    from edge.manifest import Manifest
    from edge.service.source import Source

BUNDLE = Path("build/fetal-planes.edge")
THREADS = 2
PAGE_S = 0.1
POLL_S = 0.005


class Running:
    """What is measured on.

    Attributes:
        child: the inference processes.
        states: milliseconds from a frame's capture to the state that it made, one an answer.
        captured_s: of the frame of the last state, monotonic clock.
        told_s: when that state was there.
    """

    def __init__(self, pump: Pump, child: Child, desk: Desk) -> None:
        self.child = child
        self.states: list[float] = []
        self.captured_s = self.told_s = 0.0
        self._pump, self._desk = pump, desk

    @property
    def is_done(self) -> bool:
        """Whether the source has ended and all is answered."""
        return self._pump.is_done

    def status(self) -> Status:
        """Of the pump."""
        return self._pump.status()

    def take_answer(self, answer: Answer) -> None:
        """The desk's, timed."""
        self._desk.take_answer(answer)
        self.told_s = time.monotonic()
        self.captured_s = answer.frame.captured_s
        self.states.append(1e3 * (self.told_s - self.captured_s))

    def exam(self) -> frozenset[str]:
        """Planes that the open exam holds a frame of."""
        seat = self._desk.now.shown
        records = () if seat is None else seat.exam.records
        return frozenset(record.plane for record in records if record.capture is not None)

    def wait_for(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Until it holds.

        Raises:
            TimeoutError: it does not within so many seconds.
        """
        end_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end_s:
                raise TimeoutError(f"not within {limit_s:.0f} s; the child: {self.child.state.value}")
            time.sleep(POLL_S)


def facts_from_manifest(manifest: Manifest, digest: str, source: str) -> BedsideFacts:
    """What stays while a measurement runs.

    Args:
        manifest: of the bundle.
        digest: of it.
        source: kind of the source.
    """
    protocol = load_protocol(manifest.protocol.id)
    return BedsideFacts("bench", digest, manifest, (), protocol, "", source, True, "", "")


@contextmanager
def running(source: Source, store_path: Path) -> Iterator[Running]:
    """The plane check with the shipped bundle, until the end of the block.

    Args:
        source: of frames.
        store_path: of a new store.
    """
    clock, home = time.monotonic, home_from_environment(os.environ)
    manifest = load_bundle(BUNDLE, Keyring(home)).manifest
    newest, child = Newest(), Child(ChildSettings(BUNDLE, home, threads=THREADS), clock)
    stop = threading.Event()
    with open_store(store_path, wall=_wall) as store, closing(child):
        digest = child.start().digest
        facts = facts_from_manifest(manifest, digest, source.kind)
        reader = Reader(lambda: source, newest, clock)
        answers: list[Callable[[Answer], None]] = []
        pump = Pump(reader, newest, child, lambda answer: answers[0](answer), lambda status: None, clock)
        desk = Desk(store, facts, pump.freeze, clock, _wall)
        service = Running(pump, child, desk)
        answers.append(service.take_answer)
        page = PlaneCheck(desk, newest, facts, pump.status, lambda: b"", clock)
        threads = [threading.Thread(target=pump.run, args=(stop,)), threading.Thread(target=_look, args=(page, stop))]
        with closing(reader):
            reader.start()
            for thread in threads:
                thread.start()
            try:
                yield service
            finally:
                stop.set()
                for thread in threads:
                    thread.join()


def _look(page: PlaneCheck, stop: threading.Event) -> None:
    """What an open page and the service's ticker ask for."""
    seen = -1
    while not stop.wait(PAGE_S):
        page.view()
        picture = page.live_jpeg(seen)
        seen = seen if picture is None else picture[0]


def _wall() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
