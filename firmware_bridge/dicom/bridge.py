"""`edge bridge dicom` as one function: opened in the order in which it can fail, closed in the reverse.

::

    spool (what an earlier run acknowledged is sent first) -> outbox, where reports go out -> forwarder -> door -> ready
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.service.log import Log
from edge.service.notify import Notifier
from firmware_bridge.dicom.forwarder import SETTLED, Forwarder
from firmware_bridge.dicom.outbox_names import facts_from_object
from firmware_bridge.dicom.outbox_service import Outgoing, OutgoingSettings, open_outgoing
from firmware_bridge.dicom.received import Received
from firmware_bridge.dicom.receiver import WELL_RECEIVED, ReceiverSettings, Reception, open_receiver
from firmware_bridge.dicom.spool import Spool
from firmware_bridge.dicom.tls import TlsFiles, server_context

ALIVE_S = 1.0  # between two signs of life for systemd


@dataclass(frozen=True)
class BridgeSettings:
    """What was asked for.

    Attributes:
        receiver: where and for whom.
        spool: folder.
        service: socket of the plane check.
        tls: of the receiver; None: plain.
        outgoing: where reports go; None: nowhere.
    """

    receiver: ReceiverSettings
    spool: Path
    service: Path
    tls: TlsFiles | None
    outgoing: OutgoingSettings | None = None


@dataclass(frozen=True)
class Outside:
    """What the process gives its bridge.

    Attributes:
        log: of events.
        notifier: systemd, or nobody.
        stop: the end.
        on_ready: called once with the port, when it listens.
    """

    log: Log
    notifier: Notifier
    stop: threading.Event
    on_ready: Callable[[int], None]


def run_bridge(settings: BridgeSettings, outside: Outside) -> Mapping[str, Mapping[str, object]]:
    """Receive and hand on until told to stop.

    Args:
        settings: what was asked for.
        outside: what there is besides.

    Returns:
        Counts: "received" by what became of the objects at the door, "spool" by where they are, "sent" by destination.

    Raises:
        EdgeError: it cannot start.
    """
    log, stop = outside.log, outside.stop
    tls = None if settings.tls is None else server_context(settings.tls)
    with Spool(settings.spool) as spool, contextlib.ExitStack() as stack:
        outgoing = None
        if settings.outgoing is not None:
            outgoing = stack.enter_context(open_outgoing(settings.outgoing, log, stop.set))
        tell, learn = _telling(log, "object", WELL_RECEIVED), _learning(outgoing)
        reception = Reception(spool, tell, learn)
        with (
            Forwarder(spool, settings.service, _telling(log, "settled", SETTLED)),
            open_receiver(settings.receiver, reception, tls) as door,
        ):
            outside.on_ready(int(door.server_address[1]))
            outside.notifier.send("READY=1")
            while not stop.wait(ALIVE_S):
                outside.notifier.send("WATCHDOG=1")
            outside.notifier.send("STOPPING=1")
        sent = {} if outgoing is None else outgoing.counts()
        return {"received": dict(reception.counts), "spool": dict(spool.counts()), "sent": sent}


def _learning(outgoing: Outgoing | None) -> Callable[[Received], None]:
    """The outbox hears whose study an object is of before the scanner hears that it is kept; nobody else does."""

    def learn(received: Received) -> None:
        if outgoing is not None:
            outgoing.outbox.names.learn(facts_from_object(received.path, received.key))

    return learn


def _telling(log: Log, what: str, well: Collection[str]) -> Callable[[str], None]:
    """Writes what did not go well; a thousand stills that did are no thousand lines."""

    def tell(word: str) -> None:
        if word not in well:
            log.write(f"{what}_{word}")

    return tell


def silence_libraries() -> None:
    """Keep the DICOM libraries from writing: they quote what a stranger sent, and a name may stand in it."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    for name in ("pynetdicom", "pydicom", "highdicom"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")
