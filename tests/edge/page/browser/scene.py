"""The scripted plane check with pictures that live: frames come by themselves, answered as the test says.

::

    test: scene.sees("femur") --ticks--> ScriptedBedside.tick --> captured by the real exam --> view --> page
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from edge.errors import MachineError
from edge.page.doors import ServerSettings, open_doors
from edge.page.server import Served, served
from edge.protocol import load_protocol
from tests.edge.page.browser.scene_pictures import CREDIT, Pictures
from tests.edge.page.scripted_bedside import ScriptedBedside

TICK_S = 0.1


class Scene(ScriptedBedside):
    """A scripted plane check that a thread keeps alive."""

    def __init__(self, protocol: str = "demo", tick_s: float = TICK_S) -> None:
        super().__init__(protocol=protocol)
        self.show(source__credit=CREDIT)
        shipped = {label for plane in load_protocol("demo").planes for label in plane.labels}
        self._labels = {p.id: next((label for label in p.labels if label in shipped), "") for p in self.protocol.planes}
        self.covered = tuple(plane for plane, label in self._labels.items() if label)
        self._first = self._scene
        self._pictures = Pictures()
        self._kept: dict[str, str] = {}  # frame -> what it shows
        self._plane: str | None = None
        self._seen = "other"
        self._probability = 0.95
        self._is_live = True
        self._tick_s = tick_s

    def clear(self, then: Callable[[Scene], object] = lambda scene: None) -> None:
        """As at the start: no exam, everything runs; `then` follows before the next frame."""
        with self._lock:
            self._scene, self._shown = self._first, None
            self._exams.clear()
            self._watches.clear()
            self.sees(None)
            self._is_live = True
            then(self)

    def sees(self, plane: str | None, probability: float = 0.95, picture: str | None = None) -> None:
        """From now on frames show this plane; None: no standard plane."""
        self._plane, self._probability, self._seen = plane, probability, picture or plane or "other"

    def forgets_the_press(self) -> None:
        """The exam was stopped before the press of the freeze key had a frame."""
        self._pressed = None

    def stands_still(self) -> None:
        """No more frames by themselves."""
        self._is_live = False

    def glimpses(self, plane: str) -> None:
        """Two frames of a plane and no more: for two seconds it is a candidate."""
        with self._lock:
            self.stands_still()
            self.sees(plane)
            for _ in range(2):
                time.sleep(0.02)  # two frames of one moment would be one
                self.tick(plane, self._probability)

    def goes_on(self) -> None:
        """Frames come again."""
        self._is_live = True

    def keeps(self, plane: str | None, picture: str | None = None, **changes: Any) -> str:
        """A frame that the sonographer chose."""
        frame = self.press(plane, **changes)
        self._kept[frame] = picture or plane or "other"
        return frame

    def tick(self, plane: str | None = None, probability: float = 0.9) -> None:
        """A frame; the engine answers it whether or not an exam is open."""
        with self._lock:
            super().tick(plane, probability)
            if self._scene.engine.ai_on:
                self.show(answered_age_s=0.1 if self._shown is None else None)

    def live_jpeg(self, newer_than: int) -> tuple[int, bytes] | None:
        """A sample image of what is seen."""
        found = super().live_jpeg(newer_than)
        return None if found is None else (found[0], self._pictures.jpeg(self._label(self._seen), found[0]))

    def picture(self, exam: str, frame: str) -> bytes:
        """A sample image of what was seen; the scripted one says whether there is such a frame."""
        super().picture(exam, frame)
        if frame not in self._kept:
            shown = self.view().exam
            planes = {row.frame: row.plane for row in shown.checklist.rows} if shown else {}
            self._kept[frame] = planes.get(frame) or self._seen
        return self._pictures.jpeg(self._label(self._kept[frame]), 0)

    def attention_png(self) -> bytes:
        """A warm spot over it."""
        super().attention_png()
        return self._pictures.map_png(self._label(self._seen))

    def _label(self, plane: str) -> str:
        return self._labels.get(plane) or plane

    def run(self, stop: threading.Event) -> None:
        """Frames, until it is told to stop."""
        while not stop.wait(self._tick_s):
            with self._lock:
                if self._is_live and self._scene.source.signal == "running":
                    self.tick(self._plane, self._probability)


@contextlib.contextmanager
def playing(scene: Scene, port: int = 0) -> Iterator[Served]:
    """Serve a scene; the faults of the page's server come out at the end."""
    faults: list[Exception] = []
    stop = threading.Event()
    ticker = threading.Thread(target=scene.run, args=(stop,), daemon=True)
    settings = ServerSettings(port=port)
    with open_doors(settings) as doors, served(scene, settings, doors, failed=faults.append) as page:
        ticker.start()
        try:
            yield page
        finally:
            stop.set()
            ticker.join()
    if faults:
        raise MachineError(f"The page's server failed: {faults[0]!r}.", "Look at it.") from faults[0]
