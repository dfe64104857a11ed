"""The OpenIGTLink bridge: peers on one side, the plane check's socket on the other.

::

    loop thread    peers -> Decoder -> Frame -> Turn -> Newest          results -> peers
    main thread    Newest -> region -> LiveSender -> service
    events thread  service -> View -> Result -> loop thread
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge.errors import MachineError
from edge.service.newest import Newest
from edge.service.roi import HeldRoi
from edge.service.signal_note import SignalNote
from edge.service.signal_state import Signal, SignalWatch
from firmware_bridge.address import Address
from firmware_bridge.igtl.body import BodyError
from firmware_bridge.igtl.decoder import Message
from firmware_bridge.igtl.frames import KIND, Turn, frame_from_message
from firmware_bridge.igtl.link import Link
from firmware_bridge.igtl.result import bytes_from_result, result_from_view
from firmware_bridge.igtl.settings import IgtlSettings
from firmware_bridge.service_client import ServiceClient
from firmware_bridge.video.live_sender import LiveSender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_bridge.video.bridge_screen import BridgeScreen

TELL_S = 1.0  # results at least so often: peers see that nothing has stopped
NO_PEER = ("No OpenIGTLink peer is connected.", "Start the sender, and check address and port.")
NO_IMAGE = (
    "No image comes over OpenIGTLink.",
    "Start the sender's stream: IMAGE, 8 bits, gray or RGB, one slice.",
)


class IgtlBridge:
    """Ties link, box and service together."""

    def __init__(self, settings: IgtlSettings, clock: Callable[[], float], wall_s: Callable[[], float]) -> None:
        """Nothing is connected.

        Args:
            settings: what was asked for.
            clock: monotonic, seconds: every decision.
            wall_s: seconds since 1970, for the peers' records.
        """
        self._settings, self._clock, self._wall_s = settings, clock, wall_s
        self._newest, self._turn = Newest(), Turn(settings.device)
        self._link = Link(self._take, self._turn.left, clock, settings.allowed, settings.body_timeout_s)
        self._watch = SignalWatch(True, clock(), clock(), is_down=True)
        self._unfit = self._others = 0

    def run(self, stop: threading.Event, screen: BridgeScreen) -> None:
        """Bridge until told to stop.

        Raises:
            MachineError: the address cannot be bound.
        """
        cut = None if self._settings.roi is None else HeldRoi(self._settings.roi).cut
        with _running_loop(self._link.close) as loop, ServiceClient(self._settings.socket) as client:
            port = self._open(loop)
            threading.Thread(target=self._tell_results, args=(loop, stop), daemon=True).start()
            sender = LiveSender(client, KIND, self._newest, self._note, self._clock, cut)
            screen.ready(port=port, connect=_text(self._settings.connect), socket=str(self._settings.socket))
            while not stop.is_set():
                sender.step()
                screen.take(sender, self._newest.counts.dropped, self._clock(), self._figures())
            screen.ended(sender, self._newest.counts.dropped, self._figures())

    def _open(self, loop: asyncio.AbstractEventLoop) -> int | None:
        settings = self._settings
        if settings.connect is not None:
            asyncio.run_coroutine_threadsafe(self._link.connect(*settings.connect), loop)
        if settings.listen is None:
            return None
        opening: Future[asyncio.Server] = asyncio.run_coroutine_threadsafe(self._link.listen(*settings.listen), loop)
        try:
            server = opening.result()
        except OSError as error:
            raise MachineError(
                f"{_text(settings.listen)} cannot be bound: {error.strerror or error}.", "Choose another --listen."
            ) from error
        return int(server.sockets[0].getsockname()[1])

    def _take(self, peer: int, message: Message) -> None:
        """In the loop: an IMAGE whose CRC is right."""
        now_s = self._clock()
        try:
            frame = frame_from_message(message, now_s, self._settings.scanner)
        except BodyError:
            self._unfit += 1
            return
        if not self._turn.takes(peer, message.header.device, now_s):
            self._others += 1
            return
        self._watch = self._watch.after_frame(frame.pixels, now_s)
        self._newest.put(frame)

    def _tell_results(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        told, told_s = None, 0.0
        with ServiceClient(self._settings.socket, clock=self._clock) as client:
            for view in client.events():
                if stop.is_set():
                    return
                result, now_s = result_from_view(view), self._clock()
                if result != told or now_s - told_s >= TELL_S:
                    told, told_s = result, now_s
                    try:
                        loop.call_soon_threadsafe(self._link.tell, bytes_from_result(result, self._wall_s()))
                    except RuntimeError:  # the bridge ended meanwhile, and its loop is closed
                        return

    def _note(self, now_s: float) -> SignalNote:
        signal = self._watch.state(now_s)
        why = ("", "") if signal is not Signal.LOST else NO_IMAGE if self._link.peers else NO_PEER
        return SignalNote(KIND, signal, *why)

    def _figures(self) -> Mapping[str, Any]:
        counts = asdict(self._link.counts)
        messages = counts.pop("messages")
        refused = counts.pop("refused")
        own = {"peers": self._link.peers, "peers_refused": refused, "unfit": self._unfit, "others": self._others}
        return {**messages, **counts, **own}


@contextmanager
def _running_loop(close: Callable[[], None]) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread; `close` ends what runs in it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="igtl-peers", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(_end, loop, close)
        thread.join()
        loop.close()


def _end(loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()

    async def ended() -> None:
        close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for the connections to close
        loop.stop()

    loop.create_task(ended())


def _text(address: Address | None) -> str | None:
    return None if address is None else f"{address[0]}:{address[1]}"
