"""`edge bridge dicom` as one function: opened in the order in which it can fail, closed in the reverse.

::

    spool (what an earlier run acknowledged is sent first) -> forwarder -> door -> ready
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.service.log import Log
from edge.service.notify import Notifier
from firmware_bridge.dicom.forwarder import SETTLED, Forwarder
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
    """

    receiver: ReceiverSettings
    spool: Path
    service: Path
    tls: TlsFiles | None


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


def run_bridge(settings: BridgeSettings, outside: Outside) -> Mapping[str, Mapping[str, int]]:
    """Receive and hand on until told to stop.

    Args:
        settings: what was asked for.
        outside: what there is besides.

    Returns:
        Counts: "received" by what became of the objects at the door, "spool" by where they are.

    Raises:
        EdgeError: it cannot start.
    """
    log = outside.log
    tls = None if settings.tls is None else server_context(settings.tls)
    with Spool(settings.spool) as spool:
        reception = Reception(spool, settings.receiver.rule, _telling(log, "object", WELL_RECEIVED))
        forwarder = Forwarder(spool, settings.service, _telling(log, "settled", SETTLED))
        with forwarder, open_receiver(settings.receiver, reception, tls) as door:
            outside.on_ready(int(door.server_address[1]))
            outside.notifier.send("READY=1")
            while not outside.stop.wait(ALIVE_S):
                outside.notifier.send("WATCHDOG=1")
            outside.notifier.send("STOPPING=1")
        return {"received": dict(reception.counts), "spool": dict(spool.counts())}


def _telling(log: Log, what: str, well: Collection[str]) -> Callable[[str], None]:
    """Writes what did not go well; a thousand stills that did are no thousand lines."""

    def tell(word: str) -> None:
        if word not in well:
            log.write(f"{what}_{word}")

    return tell


def silence_libraries() -> None:
    """Keep pynetdicom and pydicom from writing: they quote what a stranger sent, and a name may stand in it."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    for name in ("pynetdicom", "pydicom"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")
