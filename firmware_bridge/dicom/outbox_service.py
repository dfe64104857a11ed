"""The sending side of the DICOM bridge as one context manager: it runs beside the receiver, in threads of its own.

::

    plane check --outbox_source.py--> outbox --outbox_run.py--> each destination

In: settings, a log. Out: while it is open, ended exams go out; at the end the object under way is finished.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from edge.errors import EdgeError, UsageError
from edge.exam_vault import made_vault
from edge.service.log import Log
from firmware_bridge.address import can_be_asked_for
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_run import Told, run_outbox
from firmware_bridge.dicom.outbox_source import Gatherer, get_from_socket
from firmware_bridge.dicom.send import Destination, check_destination
from firmware_bridge.dicom.tls import TlsFiles

LOOK_S = 5.0  # an ended exam is on its way within so much


@dataclass(frozen=True)
class OutgoingSettings:
    """What was asked for.

    Attributes:
        outbox: file.
        home: the keyring's folder, with the key that seals the outbox; it is made where there is none.
        service: socket of the plane check.
        destinations: where everything goes; names differ.
        retry_dead: try once more what a destination would not have.
    """

    outbox: Path
    home: Path
    service: Path
    destinations: tuple[Destination, ...]
    retry_dead: bool = False


@dataclass(frozen=True)
class Outgoing:
    """The sending side while it runs.

    Attributes:
        outbox: what waits; the receiver tells it names by `Names.learn`.
        destinations: names.
    """

    outbox: Outbox
    destinations: tuple[str, ...]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Destination -> how many wait, were delivered, are dead letters."""
        return {name: asdict(self.outbox.counts(name)) for name in self.destinations}


@contextlib.contextmanager
def open_outgoing(settings: OutgoingSettings, log: Log, on_fault: Callable[[], None]) -> Iterator[Outgoing]:
    """Send what exams leave behind, until the end of the `with`.

    Args:
        settings: what was asked for.
        log: of rounds, numbers only.
        on_fault: called where a fault of the program ended the sending: the bridge should end and be started again.

    Raises:
        EdgeError: it cannot start.
        Exception: the fault of the program that ended it, once the `with` is left.
    """
    names = tuple(destination.name for destination in settings.destinations)
    if len(set(names)) < len(names):
        raise UsageError("Two DICOM destinations have one name.", "Give each a name of its own.")
    for destination in settings.destinations:
        check_destination(destination)
    stop = threading.Event()
    vault = made_vault(settings.home)
    with open_outbox(settings.outbox, vault) as outbox, ThreadPoolExecutor(2, "outgoing") as pool:
        for name in names if settings.retry_dead else ():
            outbox.revive(name)
        if elsewhere := outbox.waiting_elsewhere(names):
            log.write("objects_wait_elsewhere", missing=elsewhere)
        gatherer = Gatherer(outbox, get_from_socket(settings.service), names, time.monotonic)
        sending = (outbox, settings.destinations, stop, time.monotonic, partial(_note, log))
        work = (pool.submit(run_outbox, *sending), pool.submit(_gather_until, gatherer, stop, log))
        for one in work:
            one.add_done_callback(partial(_ended, stop, on_fault))
        try:
            yield Outgoing(outbox, names)
        finally:
            stop.set()
        for one in work:
            one.result()


def destination_from_text(text: str, calling: str, tls: TlsFiles | None = None, tls_name: str = "") -> Destination:
    """A destination of the command line: HOST:PORT:AE; its name is the text, which outlives restarts.

    Raises:
        UsageError: it is none.
    """
    host, _, rest = text.rpartition(":")[0].rpartition(":")
    called = text.rpartition(":")[2]
    is_port = rest.isascii() and rest.isdigit() and len(rest) < 6
    if not host or not is_port or not can_be_asked_for(host):
        raise UsageError(f"{text!r} is no DICOM destination.", "Write HOST:PORT:AE, e.g. 192.168.7.20:11112:ARCHIVE.")
    destination = Destination(text, host.strip("[]"), int(rest), called, calling, tls, tls_name)
    check_destination(destination)
    return destination


def _gather_until(gatherer: Gatherer, stop: threading.Event, log: Log) -> None:
    trouble = 0
    while not stop.is_set():
        put, failed, before = 0, 0, trouble
        try:
            put, failed = gatherer.gather()
            trouble = 0
        except EdgeError as error:
            trouble = error.exit_code
        if trouble not in (0, before):  # a service that is away all night is one line
            log.write("exams_not_gathered", exit_code=trouble)
        if put or failed:
            log.write("exams_gathered", exams=put, lost=failed)
        stop.wait(LOOK_S)


def _ended(stop: threading.Event, on_fault: Callable[[], None], work: Future[None]) -> None:
    """One half ends the other: better a bridge that is started again than one that is half alive."""
    stop.set()
    if work.exception() is not None:
        on_fault()


def _note(log: Log, told: Told) -> None:
    word = f"objects_{told.trouble}" if told.trouble in ("unreachable", "busy", "lost", "failed") else "objects_sent"
    log.write(word, frames=told.sent, lost=told.lost, missing=told.counts.waiting, refused=told.counts.dead)
