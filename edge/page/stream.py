"""The views as an event stream: read once for all clients, sent on a change.

::

    Bedside.view --every 0.1 s while somebody listens--> changed, or 1 s old? --> latest --> client, client, ...

In: the plane check's view. Out: server-sent events. Nothing is queued: a slow client gets the newest view when it is
ready for one, and the ones between are gone for it.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from edge.page.lanes import Lanes
from edge.page.replies import utf8_from_json
from edge.record import json_from_record
from edge.service.view import View

PERIOD_S = 0.1  # at most ten views a second: the eye reads no more, and a cart's processor has other work
REPEAT_S = 1.0  # at least one: its ages run on, and a page that hears nothing for 2 s says so
MAX_CLIENTS = 32  # pages of one box; each costs a connection and some 100 kB/s


@dataclass(eq=False)
class Client:
    """One listener.

    Attributes:
        woken: something newer is there, or it is over.
        sent: number of the last event that it took.
    """

    woken: asyncio.Event
    sent: int = 0


class Views:
    """Reads views while there are clients, and wakes them."""

    def __init__(self, read: Callable[[], View], lanes: Lanes, failed: Callable[[Exception], None]) -> None:
        """Nothing runs yet.

        Args:
            read: the plane check's view; called in a thread.
            lanes: to call it in.
            failed: told of what `read` raises; the stream goes on.
        """
        self._read = read
        self._lanes = lanes
        self._failed = failed
        self._clients: list[Client] = []
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._event = b""
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether no further client is taken."""
        return len(self._clients) >= MAX_CLIENTS or self._closed

    async def events(self) -> AsyncIterator[bytes]:
        """Events for one client, until it goes or the service ends."""
        client = Client(asyncio.Event())
        self._clients.append(client)
        try:
            yield b"retry: 1000\n\n"
            self._start()
            while not self._closed:
                if client.sent != self._number:
                    client.sent = self._number
                    yield self._event
                await client.woken.wait()
                client.woken.clear()
        finally:
            self._clients.remove(client)

    def close(self) -> None:
        """End all streams; call it in the loop's thread."""
        self._closed = True
        self._wake()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._event, self._number = b"", 0  # what was read before everybody left is old
            for client in self._clients:
                client.sent = 0
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last: View | None = None
        sent_s = 0.0
        while self._clients and not self._closed:
            started_s = loop.time()
            try:
                view = await self._lanes.run("quick", self._read)
                if last is None or timeless(view) != last or started_s - sent_s >= REPEAT_S:
                    last, sent_s = timeless(view), started_s
                    self._event = event_from_view(view)
                    self._number += 1
                    self._wake()
            except Exception as error:  # noqa: BLE001  # a view that fails must not silence those after it
                self._failed(error)
            await asyncio.sleep(max(0.0, started_s + PERIOD_S - loop.time()))

    def _wake(self) -> None:
        for client in self._clients:
            client.woken.set()


def timeless(view: View) -> View:
    """The view without what changes by itself: its number and the ages."""
    exam = view.exam
    if exam is not None:
        live = exam.checklist.live
        live = None if live is None else replace(live, age_s=0.0)
        exam = replace(exam, checklist=replace(exam.checklist, since_progress_s=0.0, live=live))
    return replace(view, number=0, engine=replace(view.engine, age_s=None), exam=exam)


def event_from_view(view: View) -> bytes:
    """A server-sent event of kind "view"; its data is one line of JSON."""
    return b"event: view\nid: %d\ndata: %s\n\n" % (view.number, utf8_from_json(json_from_record(view)))
