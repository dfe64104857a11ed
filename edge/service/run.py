"""`edge serve` as one function: everything is opened in the order in which it can fail, and closed in the reverse.

::

    doors, bundle, protocol -> store -> inference child -> sinks -> desk -> API -> source -> ready
    pump (this thread) --answer--> desk, sinks      --status--> systemd, log, sinks, screen
    ticker (10 Hz) ------tick----> desk             --view----> sinks

What can only be wrong by a mistake of whoever typed it ends the start with its cause; what may come back by itself (a
camera without a signal, a full disk) does not.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge.errors import MachineError, UsageError
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.manifest import Notice
from edge.protocol import Protocol, protocol_from_name
from edge.service.attention_request import MapRequests
from edge.service.bedside_facts import BedsideFacts
from edge.service.bridge_reader import BridgeReader
from edge.service.bridge_source import BridgeSource
from edge.service.child import Child
from edge.service.child_settings import ChildSettings
from edge.service.desk import Desk
from edge.service.exam_reports import ExamReports
from edge.service.fan_out import FanOut
from edge.service.log import Log
from edge.service.newest import Newest
from edge.service.notify import Notifier
from edge.service.plane_check import PlaneCheck
from edge.service.pump import TELL_S, Pump
from edge.service.reader import Reader
from edge.service.retention import LOOK_S, Retention
from edge.service.service_settings import ServiceSettings
from edge.service.service_store import service_store
from edge.service.signal_state import Signal
from edge.service.sink import Sink, open_sink
from edge.service.source import Source, open_source
from edge.service.source_options import SourceOptions
from edge.service.status import Status
from edge.service.stop import Stop
from edge.service.teller import Teller
from edge.service.ticker import Ticker

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.page.doors import ServerSettings
    from edge.store import Store

T = TypeVar("T")

TICK_S = 0.1  # exam_watch.FREEZE_AFTER_S and the pages' 10 views/s hang on it
FIRST_S = 2.0  # a file gives its first frame within; a camera without a signal is waited for no longer
POLL_S = 0.02
DRAIN_S = 2.0  # eight stills of 1024x768 take 0.5 s; systemd and people wait for the end


@dataclass(frozen=True)
class Ready:
    """What runs now.

    Attributes:
        page: its address; None without a page.
        socket: of the local API; None without one.
        store: path of the exam store.
        is_temporary: the store goes when the service ends.
        facts: bundle, protocol, source.
        backend: what runs the network.
    """

    page: str | None
    socket: Path | None
    store: Path
    is_temporary: bool
    facts: BedsideFacts
    backend: str


@dataclass(frozen=True)
class Outside:
    """What the process gives its service.

    Attributes:
        log: of events.
        notifier: systemd, or nobody.
        watchdog_s: how often systemd wants a sign of life, seconds; None: it does not watch.
        stop: the end.
        on_ready: called once, when everything runs.
        on_status: called in the pump's thread, at every change and each second.
        clock: monotonic, seconds: every decision.
        wall: UTC, ISO 8601: records only.
    """

    log: Log
    notifier: Notifier
    watchdog_s: float | None
    stop: Stop
    on_ready: Callable[[Ready], None]
    on_status: Callable[[Status], None]
    clock: Callable[[], float]
    wall: Callable[[], str]


def run_service(settings: ServiceSettings, outside: Outside) -> None:
    """Serve until told to stop.

    Args:
        settings: what was asked for.
        outside: what there is besides.

    Raises:
        EdgeError: it cannot start, or cannot go on.
        Told: it was told to stop before it was ready.
    """
    from edge.page.doors import open_doors
    from edge.page.server import served

    _check_watchdog(outside.watchdog_s)
    with ExitStack() as stack:
        api = _api_settings(settings)
        doors = stack.enter_context(open_doors(api))
        source = _source(settings, outside)  # nothing is read yet: what cannot be opened is told first
        bundle = load_bundle(settings.bundle, Keyring(settings.home))
        protocol = protocol_from_name(settings.protocol or bundle.manifest.protocol.id)
        store, is_temporary = stack.enter_context(service_store(settings, outside.wall))
        child = stack.enter_context(closing(Child(_child_settings(settings, bundle), outside.clock)))
        readiness = child.start()
        sinks = stack.enter_context(FanOut(_sinks(settings), outside.log, outside.clock))
        facts = _facts(settings, bundle, protocol, source, readiness.notices)
        service = _Service(settings, outside, facts, store, child, sinks, source)
        page = stack.enter_context(
            served(
                *(service.plane_check, api, doors, ExamReports(store)),
                clock=outside.clock, failed=lambda error: outside.log.write("fault"),
            )
        )  # fmt: skip
        stack.callback(service.reader.close)  # first of all: a bridge's still may wait for room in the box
        retention = None if settings.keep is None else _retention(settings.keep, outside, store)
        if retention is not None:
            retention.look(service.desk.now)  # before exams are taken up again
            stack.enter_context(Ticker(lambda: retention.look(service.desk.now), LOOK_S, outside.stop.event))
        service.start()
        ticker = stack.enter_context(Ticker(lambda: service.tick(page.thread), TICK_S, outside.stop.event))
        outside.stop.is_serving = True
        ready = Ready(page.url, page.socket, store.path, is_temporary, facts, readiness.backend)
        outside.log.write("started", source=facts.source, bundle=facts.digest)
        outside.on_ready(ready)
        outside.notifier.send("READY=1")
        service.pump.run(outside.stop.event)
        outside.notifier.send("STOPPING=1")
        service.reader.close()
        service.pump.drain(DRAIN_S)
        service.desk.settle()
    outside.log.write("stopped")
    if ticker.error is not None:
        raise ticker.error


class _Service:
    """The parts that run, wired."""

    def __init__(
        self,
        settings: ServiceSettings,
        outside: Outside,
        facts: BedsideFacts,
        store: Store,
        child: Child,
        sinks: FanOut,
        source: Source,
    ) -> None:
        clock, newest, maps = outside.clock, Newest(), MapRequests(facts.manifest)
        teller = Teller(outside.notifier, outside.log, clock)
        self._settings, self._outside, self._newest, self._sinks = settings, outside, newest, sinks
        bridges = BridgeReader(source, clock) if isinstance(source, BridgeSource) else None
        self.reader = bridges or Reader(lambda: _source(settings, outside), newest, clock, settings.roi)
        self.desk = Desk(store, facts, lambda: self.pump.freeze(), clock, outside.wall)
        on_answer = _all(self.desk.take_answer, sinks.take_answer)
        on_status = _all(teller.take_status, sinks.take_status, outside.on_status)
        self.pump = Pump(self.reader, newest, child, on_answer, on_status, clock, maps)
        self.plane_check = PlaneCheck(
            self.desk, newest, facts, self.pump.status, maps.png, clock, sinks=sinks.counts, bridges=bridges
        )

    def start(self) -> None:
        """Take up the exams of earlier runs, open the one that was asked for, and let frames come.

        Raises:
            EdgeError: there can be no such exam, or the source gives nothing by a mistake of who named it.
        """
        self.desk.reopen()
        self._open_exam()
        self.reader.start()
        clock, reader = self._outside.clock, self.reader
        end_s = clock() + FIRST_S
        while clock() < end_s and not self._newest.counts.frames and isinstance(reader, Reader):
            if reader.state(clock()) is Signal.ENDED:
                if reader.error is not None:
                    raise reader.error
                return
            time.sleep(POLL_S)

    def _open_exam(self) -> None:
        """Open the exam that was asked for; a full disk is shown on the page, where it can be opened later."""
        if self._settings.opening is None:
            return
        try:
            self.desk.open_first(self._settings.opening)
        except MachineError as error:
            self._outside.log.write("exam_not_opened", exit_code=error.exit_code)

    def tick(self, page: threading.Thread) -> None:
        """What time alone brings, and the view to the sinks.

        Args:
            page: the API's thread, which must live as long as the service.

        Raises:
            MachineError: it has ended.
        """
        self.desk.tick()
        if self._settings.sinks:
            self._sinks.take_view(self.plane_check.view())
        if not page.is_alive():
            raise MachineError("The page's server has ended.", "Start the service again; look at its log.")


def _check_watchdog(watchdog_s: float | None) -> None:
    if watchdog_s is not None and watchdog_s < TELL_S:
        raise UsageError(
            f"systemd wants a sign of life every {watchdog_s:.1f} s; one comes each second.",
            "Set WatchdogSec to 5 s or more.",
        )


def _api_settings(settings: ServiceSettings) -> ServerSettings:
    from edge.page.doors import ServerSettings
    from edge.page.pin import pin_from_file

    pin = None if settings.pin_file is None else pin_from_file(settings.pin_file)
    return ServerSettings(settings.host, settings.port, settings.socket, settings.tls_cert, settings.tls_key, pin)


def _source(settings: ServiceSettings, outside: Outside) -> Source:
    options = SourceOptions(
        seed=settings.seed, pause_s=settings.pause_s, is_whole=settings.roi is not None, clock=outside.clock
    )
    return open_source(settings.source, options)


def _child_settings(settings: ServiceSettings, bundle: Bundle) -> ChildSettings:
    return ChildSettings(settings.bundle, settings.home, bundle.digest, threads=settings.threads)


def _sinks(settings: ServiceSettings) -> list[tuple[str, Sink]]:
    return [(text.partition(":")[0], open_sink(text)) for text in settings.sinks]


def _retention(age: timedelta, outside: Outside, store: Store) -> Retention:
    return Retention(store, age, outside.clock, outside.wall, outside.log)


def _facts(
    settings: ServiceSettings, bundle: Bundle, protocol: Protocol, source: Source, notices: tuple[Notice, ...]
) -> BedsideFacts:
    return BedsideFacts(
        run=secrets.token_hex(4),
        digest=bundle.digest,
        manifest=bundle.manifest,
        notices=notices,
        protocol=protocol,
        operator=settings.operator,
        source=source.kind,
        is_demo=settings.is_demo,
        credit=source.credit,
        scanner=settings.scanner,
    )


def _all(*calls: Callable[[T], None]) -> Callable[[T], None]:
    """One call to several, in their order."""

    def call(value: T) -> None:
        for one in calls:
            one(value)

    return call
