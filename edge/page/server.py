"""Both servers in one thread with one event loop, from before the first frame until after the last.

::

    with open_doors(settings) as doors:                 a port that is taken is told here, before an engine starts
        with served(bedside, settings, doors) as page:  thread { loop { uvicorn TCP, uvicorn Unix } }, ends in < 2 s
            print(page.url)

In: a `Bedside`, `ServerSettings` and `Doors`. Out: a running API, as a context manager.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from edge.errors import MachineError
from edge.page.api import Api
from edge.page.app import app_from_api
from edge.page.connection import IDLE_S, BoundedConnection
from edge.page.doors import Doors, ServerSettings, entrance_from_door
from edge.page.entrance import Entrance
from edge.page.lanes import Lanes
from edge.page.listener import BACKLOG
from edge.page.pin import Doorkeeper
from edge.page.stream import Views
from edge.service.bedside import Bedside
from edge.service.exam_reports import ExamReports

MAX_HEAD_BYTES = 16 << 10  # request line and headers; a browser sends 1 KiB
HANDSHAKE_S = 5.0  # for TLS; a peer that says nothing must not hold a descriptor for a minute
GRACE_S = 1  # for answers under way at the end, seconds
START_S = 10.0  # a loaded machine needs some time to start a thread
END_S = 5.0


@dataclass(frozen=True)
class Served:
    """What runs.

    Attributes:
        url: of the page; None without TCP.
        port: that was bound; None without TCP.
        socket: path of the Unix socket, or None.
        token: every POST over TCP carries it as X-Token.
        thread: both servers run in it; while it is alive they do.
    """

    url: str | None
    port: int | None
    socket: Path | None
    token: str = field(repr=False)
    thread: threading.Thread = field(repr=False)


@contextlib.contextmanager
def served(
    bedside: Bedside,
    settings: ServerSettings,
    doors: Doors,
    reports: ExamReports | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    failed: Callable[[Exception], None] = lambda error: None,
) -> Iterator[Served]:
    """Serve a plane check until the block is left, which takes less than 2 s.

    A `put_frame` that still waits then keeps its thread until it returns: close the pump's box around that time.

    Args:
        bedside: the plane check; called from several threads.
        settings: as the doors were opened with.
        doors: of `open_doors`.
        reports: of its stored exams, for the socket; None: it tells of none.
        clock: monotonic, seconds, the same as the service's: when a bridge's frame came, and for the PIN's waits.
        failed: told of every fault of this program, in the loop's thread; returns at once and logs nothing it says.

    Raises:
        MachineError: the thread did not start.
    """
    lanes = Lanes()
    views = Views(bedside.view, lanes, failed)
    api = Api(bedside, views, lanes, clock, reports)
    token, port, url, servers = token_urlsafe(32), None, None, []
    if doors.tcp is not None:
        entrance = entrance_from_door(doors.tcp, settings, token)
        port, url = entrance.port, f"{entrance.scheme}://{entrance.names[0]}:{entrance.port}/"
        keeper = None if settings.pin is None else Doorkeeper(settings.pin, clock)
        servers.append((_server(app_from_api(api, entrance, keeper, failed), settings), doors.tcp))
    if doors.unix is not None:
        app = app_from_api(api, Entrance("http", ("localhost",), 0, "", is_socket=True), None, failed)
        servers.append((_server(app, None), doors.unix))
    runner = _Runner(servers, views, failed)
    try:
        runner.start()
        yield Served(url, port, settings.socket, token, runner.thread)
    finally:
        runner.end()
        lanes.close()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose TLS handshakes end soon; uvicorn has no setting for that."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_S)
        return await super().create_server(*args, **options)


class _Runner:
    """The thread, its loop and the servers in it."""

    def __init__(
        self,
        servers: list[tuple[uvicorn.Server, socket.socket]],
        views: Views,
        failed: Callable[[Exception], None],
    ) -> None:
        self._servers = servers
        self._views = views
        self._failed = failed
        self._loop = _Loop()
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        self.thread.start()
        if not self._ready.wait(START_S) or not all(server.started for server, _ in self._servers):
            raise MachineError("The page's server did not start.", "Start the service again.")

    def end(self) -> None:
        for server, _ in self._servers:
            server.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._views.close)
        if self.thread.ident is not None:
            self.thread.join(END_S)
        else:
            self._loop.close()

    def _run(self) -> None:
        self._loop.set_exception_handler(self._noted)
        try:
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        except Exception as error:  # noqa: BLE001  # told to the service, which ends or goes on without a page
            self._failed(error)
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        tasks = [asyncio.create_task(server.serve(sockets=[door])) for server, door in self._servers]
        while not all(server.started for server, _ in self._servers) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.005)
        self._ready.set()
        await asyncio.gather(*tasks)
        for server, _ in self._servers:
            for connection in list(server.server_state.connections):
                connection.transport.abort()
        await asyncio.sleep(0.01)  # for the transports to close
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _noted(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What the loop met; its own handler would write a traceback to the log, with what a stranger sent."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self._failed(error)


def _server(app: ASGIApp, tls: ServerSettings | None) -> uvicorn.Server:
    """A uvicorn server; `sockets` and the loop come later."""
    config = uvicorn.Config(
        app, interface="asgi3", http=BoundedConnection, ws="none", lifespan="off",
        log_config=None, log_level=logging.CRITICAL,  # its lines could hold an address that was asked for
        access_log=False, server_header=False, proxy_headers=False, backlog=BACKLOG,
        timeout_keep_alive=int(IDLE_S), timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ssl_certfile=tls.tls_cert if tls else None, ssl_keyfile=tls.tls_key if tls else None,
    )  # fmt: skip
    return uvicorn.Server(config)
