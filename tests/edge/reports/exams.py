"""Stored exams for the tests of reports and replays: what a service would have written, without one."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from edge.exam_events import (
    Captured,
    Confirmed,
    Ended,
    Event,
    ModelChanged,
    NotObtainable,
    Opened,
    Reassigned,
    json_from_event,
    kind_from_event,
)
from edge.exam_keys import ExamKey
from edge.exam_marks import Marks, about_from_marks
from edge.protocol import Protocol, load_protocol
from edge.store import Store
from tests.edge.exam_simulator import WALL, capture
from tests.edge.stored import BUNDLE

MARKS = Marks("fetal-planes", None, "camera", False, "", "Voluson E6", True)
DEMO_MARKS = replace(MARKS, watermark="SYNTHETIC: trained on phantoms", source="demo", is_demo=True, credit="Images: X")


def jpeg(seed: int, width: int = 320, height: int = 240) -> bytes:
    """A picture with a fan of speckle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    angle, radius = np.arctan2(x - width / 2, y + 20), np.hypot(x - width / 2, y + 20)
    fan = (abs(angle) < 0.62) & (radius > 40) & (radius < height)
    speckle = rng.gamma(2.0, 30.0, (height // 3, width // 3)).repeat(3, 0).repeat(3, 1)
    field = np.zeros((height, width))
    field[: speckle.shape[0], : speckle.shape[1]] = speckle
    stream = io.BytesIO()
    Image.fromarray(np.clip(field * fan, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def stored(
    store: Store,
    *,
    protocol: Protocol | None = None,
    marks: Marks | None = MARKS,
    fetuses: int = 1,
    reason: str = "fetal position 胎位",
    ended: bool = True,
    later_bundle: str | None = None,
) -> str:
    """An exam with every state of a plane, and a frame in the tray; gives its id."""
    protocol = protocol or load_protocol("demo")
    planes = [plane.id for plane in protocol.planes]
    key = ExamKey("HN-2201", "ACC-77")
    about = {"patient": key.patient, "study": key.study, **(about_from_marks(marks) if marks else {})}
    exam = store.new_exam(about, BUNDLE, "op7")
    opened = Opened(exam, 0.0, WALL, "op7", key, protocol, tuple(planes[:-1]), 0.6, BUNDLE, fetuses)
    events: list[tuple[Event, bytes | None]] = [(opened, None)]
    for fetus in range(1, fetuses + 1):
        events += _scanned(exam, planes, fetus, reason)
    if later_bundle is not None:
        events.append((ModelChanged(exam, 89.0, WALL, "machine", tuple(planes), 0.7, later_bundle), None))
    if ended:
        events.append((Ended(exam, 90.0, "2026-11-21T10:09:00Z", "op7"), None))
    for event, picture in events:
        store.append(exam, kind_from_event(event), json_from_event(event), picture)
    return exam


def _scanned(exam: str, planes: list[str], fetus: int, reason: str) -> list[tuple[Event, bytes | None]]:
    """Captured, weak, confirmed with and without a frame, reassigned, not obtainable, missing."""
    events: list[tuple[Event, bytes | None]] = []
    wall = "2026-11-21T10:02:00Z"

    def take(plane: str | None, number: int, **changes: object) -> None:
        name = f"{fetus}-{number}"
        made = capture(name, answer=plane or "not_standard", fetus=fetus, wall=wall, **changes)
        events.append((Captured(exam, 10.0 * number, wall, "machine", plane, made), jpeg(100 * fetus + number)))

    take(planes[0], 1)
    take(planes[1], 2, quality=0.5, low_quality=True, confidence="medium")
    take(planes[2], 3, source="freeze")
    events.append((Confirmed(exam, 40.0, "2026-11-21T10:04:00Z", "op7", planes[2], fetus), None))
    take(None, 5, source="store", confidence="low", probability=0.4)
    events.append((NotObtainable(exam, 60.0, "2026-11-21T10:06:00Z", "op9", planes[3], fetus, reason), None))
    take(planes[0], 7, source="freeze", quality=0.9)
    take(None, 8, source="freeze", confidence="low", probability=0.4)
    events.append((Reassigned(exam, 85.0, "2026-11-21T10:08:00Z", "op9", f"{fetus}-8", planes[4], fetus), None))
    return events
