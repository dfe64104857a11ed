"""From the spool to the plane check; an object leaves the spool only when the plane check has it.

::

    claim --> frames over the Unix socket --> kept, judged, unread: settled, the spool forgets the picture
                                         |--> late, nobody's, refused for good: held, sent again after a restart
                                         '--> away, store full, nothing known yet: released, sent again in RETRY_S

Two threads: stills go two at a time, as the API takes them; a clip is played at its own rate, one at a time, since the
exam's window is about the frames of one moment.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edge.errors import EdgeError, MachineError
from edge.service.settlement import DROPPED, JUDGED, KEPT, REFUSED, UNREAD
from firmware_bridge.dicom.settled_log import EXPIRED
from firmware_bridge.dicom.spool import Spool, SpoolEntry
from firmware_bridge.dicom.spool_file import frames_from_file
from firmware_bridge.dicom.still_client import StillClient

RETRY_S = 1.0
CLAIM_S = 0.25
SETTLED = (KEPT, JUDGED, UNREAD)
AGAIN = (REFUSED, None)
HELD_S = 7 * 24 * 3600.0  # a week: the scanner and the archive have the picture as well
JOIN_S = 15.0  # longer than the service takes to say what became of a frame


class Forwarder:
    """A context manager; its threads end with it.

    Attributes:
        frames: how many were settled, of stills and clips.
    """

    def __init__(self, spool: Spool, service: Path, on_settled: Callable[[str], None], held_s: float = HELD_S) -> None:
        """Nothing runs yet.

        Args:
            spool: open.
            service: socket of the plane check.
            on_settled: told what became of each object, one word.
            held_s: after which a held object is forgotten, seconds.
        """
        self.frames = 0
        self._spool, self._service, self._on_settled, self._held_s = spool, service, on_settled, held_s
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(stills_only,), name="dicom-forward", daemon=True)
            for stills_only in (False, True)
        ]

    def __enter__(self) -> Forwarder:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _run(self, stills_only: bool) -> None:
        with contextlib.closing(StillClient(self._service)) as client:
            while not self._stop.is_set():
                entry = self._spool.claim(CLAIM_S, stills_only)
                if entry is None:
                    if not stills_only:
                        self._forget_expired()
                elif not self._is_done(client, entry):
                    self._stop.wait(RETRY_S)

    def _is_done(self, client: StillClient, entry: SpoolEntry) -> bool:
        """Whether an object needs no other try now."""
        try:
            word = self._still(client, entry) if entry.head.is_still else self._clip(client, entry)
            if word in SETTLED:
                self._spool.settle(entry, str(word))
        except (MachineError, OSError):  # the service is away, or a disk is full: both pass
            word = None
        except EdgeError:  # the service will never take it: it stays on the disk
            word = "held"
        except Exception:  # noqa: BLE001  # a fault of the program in one object holds up no other
            word = "failed"
        if word in AGAIN:
            self._spool.release(entry)
            return False
        if word not in SETTLED:
            self._spool.hold(entry)
        self._on_settled(str(word))
        return True

    def _still(self, client: StillClient, entry: SpoolEntry) -> str | None:
        head = entry.head
        (pixels,) = frames_from_file(entry.path, head)
        word = client.settle_frame(pixels, head.name, head.key, head.machine, is_still=True)
        self.frames += word in SETTLED
        return word

    def _clip(self, client: StillClient, entry: SpoolEntry) -> str | None:
        """Play a clip; a frame that was dropped for a newer live one is a frame that was not answered in time.

        Where that befell each of them, nobody has judged the clip: it is played again.
        """
        head, start_s, settled = entry.head, time.monotonic(), 0
        for index, pixels in enumerate(frames_from_file(entry.path, head)):
            due_s = start_s + head.times_ms[index] / 1e3
            if self._stop.wait(max(0.0, due_s - time.monotonic())):
                return None
            word = client.settle_frame(pixels, f"{head.name}-{index:05d}", head.key, head.machine, is_still=False)
            if word not in (*SETTLED, DROPPED):
                return word
            settled += word in SETTLED
            self.frames += word in SETTLED
        return JUDGED if settled else None

    def _forget_expired(self) -> None:
        with contextlib.suppress(MachineError, OSError):  # the disk is full: the next time
            for entry in self._spool.expired(self._held_s):
                self._spool.settle(entry, EXPIRED)
