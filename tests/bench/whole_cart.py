"""All of it at once, around one exam: calm first, then with a fault each twelve seconds; every sum must come out.

::

    30 frames/s of 1024x768 -- edge bridge video --.
    storescu --------------- edge bridge dicom ----+-- edge serve (shipped bundle) -- page in headless Chromium
    firmware in QEMU ------- edge bridge cart -----'

Frames are a synthetic slideshow of stored images, stills are such images, the patient is made up. The processes are
started again as their units do it. Full: 10 minutes calm and 10 with faults. Everything runs on one machine, the
writer of the video, QEMU and Chromium too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.exam_events import BY_FREEZE
from edge.exam_watch import FREEZE_AFTER_S
from edge.service.settlement import KEPT
from firmware_bridge.proto import cart_pb2
from tests.bench.whole_cart_faults import is_on, struck, unwell
from tests.bench.whole_cart_room import Room, Video, pids, video, whole_cart
from tests.bench.whole_cart_units import every
from tests.bench.whole_cart_watch import STEP_S, frames_accounted, frames_kept, log_figures, store_figures

FATES = ("sent", "dropped", "stale", "refused", "away")  # of a frame in the video bridge
FREEZE = (cart_pb2.BUTTON_FREEZE, True)  # it went down
BOUNDS = {"mb_per_minute": 1, "lost": 0}


@dataclass(frozen=True)
class Scale:
    """How long and how much.

    Attributes:
        calm_s: without faults.
        faults_s: with them; each comes at least once.
        period_s: from one fault to the next at least.
        hold_s: of a plane in the slideshow.
        glide_s: to the next one.
        key_s: between two presses of the freeze key.
        push_s: between two pushes of stills.
        stills: of a push.
    """

    calm_s: float
    faults_s: float
    period_s: float
    hold_s: float
    glide_s: float
    key_s: float
    push_s: float
    stills: int


SMALL = Scale(10.0, 0.0, 0.0, 1.5, 0.5, 2.0, 3.0, 4)
FULL = Scale(600.0, 600.0, 12.0, 4.5, 3.0, 5.0, 10.0, 2)  # an exam of half a thousand pictures: more than any has


def measured(is_small: bool) -> dict[str, Any]:
    """Both runs on one exam.

    Args:
        is_small: 10 s, and each fault once, with the starts a minute; full: 21 minutes.

    Raises:
        AssertionError: something that was acknowledged is lost or doubled, or a sum does not come out.
        TimeoutError: something did not become well again.
    """
    scale = SMALL if is_small else FULL
    with tempfile.TemporaryDirectory() as name, whole_cart(Path(name), scale.hold_s, scale.glide_s) as room:
        figures = {
            "synthetic": True,
            "calm": _calm(room, scale),
            "faults": _faults(room, scale),
            "bounds": BOUNDS,
            "load_at_the_end": round(os.getloadavg()[0], 1),
        }
        figures["end"] = _ended(room)
    check(figures)
    return figures


def check(figures: dict[str, Any]) -> None:
    """Raise where a sum does not come out.

    Raises:
        AssertionError: with those that do not.
    """
    calm, faults, end = figures["calm"], figures["faults"], figures["end"]
    zero = {
        "frames unaccounted in the bridge": calm["video"]["unaccounted"],
        "frames unaccounted in the service": calm["service"]["unaccounted"],
        "presses lost, calm": calm["keys"]["lost"],
        "presses not carried out, calm": calm["keys"]["not_ok"],
        "orders beside the presses, calm": calm["keys"]["orders"] - calm["keys"]["freeze"],
        "presses lost, with faults": faults["keys"]["lost"],
        "pictures of the freeze key beyond its presses": max(0, end["pictures"]["freeze"] - end["keys"]["freeze"]),
        "stills not settled": end["stills"]["not_settled"],
        "stills settled twice": end["stills"]["settled_twice"],
        "stills kept and lost": end["stills_kept_lost"],
        "pushes broken, calm": calm["stills"]["broken_pushes"],
        "captures shown and lost": end["captures_shown_lost"],
        "other exams": end["exams"] - 1 + end["other_keys"] + end["other_exams_shown"],
        "errors of the page": len(end["page"]["faults"]),
        "foreign requests": len(end["page"]["foreign_requests"]),
        "restarts, calm": calm["restarts"],
        "traces of failures in logs": end["logs"]["traces"],
        "patients in logs": end["logs"]["patients"],
    }
    some = {
        "frames": calm["service"]["answers"],
        "presses": calm["keys"]["freeze"],
        "stills kept": end["stills"]["settled"].get(KEPT, 0),
        "captures shown": end["captures_shown"],
        "views of the page": end["page"]["views"],
    }
    wrong = {name: count for name, count in zero.items() if count} | {name: 0 for name in some if not some[name]}
    assert not wrong, f"{wrong} in {figures}"


def _calm(room: Room, scale: Scale) -> dict[str, Any]:
    """Nothing but the load; then the video ends, so that every frame can be accounted for."""
    with video(room) as shown:
        with _loaded(room, shown, scale):
            room.until(lambda: not unwell(room), "all well")
            room.watch.begin()
            time.sleep(scale.calm_s)
            figures = {**room.watch.figures(), "memory": room.watch.memory()}
        room.until(lambda: room.scanner.is_settled() and room.cart.is_answered, "everything answered")
        written = shown.writer.end()
        time.sleep(2 * FREEZE_AFTER_S)  # the picture of the last press
        room.until(lambda: _cause(room).endswith("went away."), "the end of the video")
        told = shown.bridge.end()
        starts = sum(unit.starts for unit in (room.serve, room.dicom, room.link, shown.bridge))
    own = {name: told[name] for name in FATES}
    stills = room.scanner.figures()
    return {
        "frames": "30/s, 1024x768, YUV4MPEG2",
        **figures,
        "video": {"written": written, **own, "unaccounted": abs(written - sum(own.values()))},
        "service": frames_accounted(room.api, own["sent"] + len(room.scanner.acknowledged), room.cart.presses),
        "keys": {**_keys(room), "pictures": len(frames_kept(room.store, BY_FREEZE))},
        "stills": stills,
        "restarts": starts - 4 + _restarts(room),
    }


def _faults(room: Room, scale: Scale) -> dict[str, Any]:
    """The same load, and the faults."""
    with video(room) as shown:
        with _loaded(room, shown, scale):
            room.until(lambda: not unwell(room), "all well")
            room.watch.begin()
            seconds = struck(room, shown, scale.faults_s, scale.period_s)
            figures = room.watch.figures()
        room.until(lambda: room.scanner.is_settled() and room.cart.is_answered, "everything answered")
        starts = {unit.name: unit.starts - 1 for unit in (room.serve, room.dicom, room.link, shown.bridge)}
    return {**figures, "seconds_until_well": seconds, "restarts": starts, "keys": _keys(room)}


def _ended(room: Room) -> dict[str, Any]:
    """What is on the disk when all is over; the figures are of both runs."""
    settled = room.scanner.settled()
    for unit in (room.dicom, room.link, room.serve):
        unit.end()
    kept = {name for name in room.scanner.acknowledged if KEPT in settled.get(name, ())}
    return {
        **store_figures(room.store, room.watch.told, kept),
        "other_exams_shown": len(room.watch.exams - {room.exam}),
        "keys": _keys(room),
        "stills": room.scanner.figures(),
        "page": room.page.figures(),
        "logs": log_figures(room.folder, [*room.serve.told, *room.dicom.told, *room.link.told]),
        "views": room.watch.views,
        "boots_of_the_cart": room.cart.boots,
    }


@contextmanager
def _loaded(room: Room, shown: Video, scale: Scale) -> Iterator[None]:
    """Keys, pushes and the watch, once there is a picture to freeze."""
    room.until(lambda: is_on(room), "AI on")
    with (
        every(STEP_S, lambda: room.watch.step(pids(room, shown))),
        every(scale.key_s, lambda: room.cart.press()),
        every(scale.push_s, lambda: room.scanner.push(scale.stills)),
    ):
        yield


def _keys(room: Room) -> dict[str, int]:
    """Movements of keys against what the cart was answered, so far."""
    cart, ledger = room.cart, room.cart.ledger
    oks = {event: status == cart_pb2.STATUS_OK for event, status in ledger.answers.items()}
    return {
        "freeze": cart.presses,
        "freeze_ok": sum(is_ok and ledger.inputs[event] == FREEZE for event, is_ok in oks.items()),
        "foot": cart.steps,
        "lost": cart.events - len(ledger.answers),
        "not_ok": list(oks.values()).count(False),
        "told_again": ledger.repeated,
        "orders": sum(document.get("event") == "order" for document in room.link.told),
    }


def _cause(room: Room) -> str:
    view, _ = room.watch.newest()
    return "" if view is None else view.engine.cause


def _restarts(room: Room) -> int:
    view, _ = room.watch.newest()
    return 0 if view is None else view.engine.restarts
