"""Every fault that a cart meets, one after the other, and how long until all of it is well again.

Well again is one thing for all of them, after the fault or, where it lasts, after its end: the view says that AI is on,
about a frame captured since, that the signal runs and the store is well, and shows the exam, acknowledged; the cart's
lamps say what that view says; a step on the foot switch since was answered; the page shows a view from since with
an answer; and for faults of the scanner's line every still pushed meanwhile is settled.
"""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from edge.service.signal_state import Signal
from edge.service.view import View
from edge.store_space import OK
from tests.bench.whole_cart_room import Room, Video
from tests.bench.whole_cart_units import signal_inference
from tests.bench.whole_cart_watch import lamps_agree

STALL_S = 4.0
PULLED_S = (1.0, 0.2, 3.0)  # in turn: the cart notices by its own silence only the last
PUSH, PUSH_KILLED_AT = 10, 3  # stills; the acknowledgement at which the bridge is killed


@dataclass(frozen=True)
class Struck:
    """A fault that happened.

    Attributes:
        since_s: from when the seconds run, monotonic.
        more: what must be so besides.
        figures: what else was measured, seconds.
    """

    since_s: float
    more: Callable[[], object] = lambda: True
    figures: Mapping[str, float] | None = None


CALM = Struck(0.0)


def inference_killed(room: Room, shown: Video, number: int) -> Struck:
    """SIGKILL for the inference process."""
    return _inference_struck(room, signal.SIGKILL)


def inference_hung(room: Room, shown: Video, number: int) -> Struck:
    """SIGSTOP for the inference process, while everything around it lives."""
    return _inference_struck(room, signal.SIGSTOP)


def _inference_struck(room: Room, kind: signal.Signals) -> Struck:
    before = _counted(room, lambda view: view.engine.restarts)
    signal_inference(room.serve, kind)
    since_s = time.monotonic()
    is_restarted = lambda: _counted(room, lambda view: view.engine.restarts) > before  # noqa: E731
    return Struck(since_s, _then_more(room, is_restarted, lambda view: view.engine.answered))


def video_bridge_killed(room: Room, shown: Video, number: int) -> Struck:
    """SIGKILL for `edge bridge video`."""
    shown.bridge.kill()
    since_s = time.monotonic()
    return Struck(since_s, _then_more(room, lambda: shown.bridge.is_ready, lambda view: view.source.frame or 0))


def dicom_bridge_killed(room: Room, shown: Video, number: int) -> Struck:
    """SIGKILL for `edge bridge dicom` at the third acknowledgement of a push of 10."""
    killed_s: list[float] = []

    def kill(acknowledged: int) -> None:
        if acknowledged == PUSH_KILLED_AT:
            killed_s.append(time.monotonic())
            room.dicom.kill()

    room.scanner.push(PUSH, kill)
    return Struck(killed_s[0], room.scanner.is_settled)


def cart_bridge_killed(room: Room, shown: Video, number: int) -> Struck:
    """SIGKILL for `edge bridge cart`."""
    room.link.kill()
    return Struck(time.monotonic(), lambda: room.link.is_ready)


def line_pulled(room: Room, shown: Video, number: int) -> Struck:
    """The line between bridge and cart cut for 1, 0.2 or 3 s; the seconds run from its being put back."""
    room.cart.pull()
    time.sleep(PULLED_S[number % len(PULLED_S)])
    room.cart.put_back()
    return Struck(time.monotonic())


def cart_rebooted(room: Room, shown: Video, number: int) -> Struck:
    """The microcontroller without power, then started with another boot id; the seconds run from its start."""
    return Struck(room.cart.reboot())


def video_stalled(room: Room, shown: Video, number: int) -> Struck:
    """Nothing out of the pipe for 4 s; the seconds run from the next frame, `told` is from the stall to its display."""
    start_s, told_s = time.monotonic(), list[float]()

    def is_told() -> bool:
        view, came_s = room.watch.newest()
        if view is not None and view.source.signal == Signal.LOST.value:
            told_s.append(came_s - start_s)
        return bool(told_s)

    with shown.writer.stalled():
        room.until(is_told, "a lost signal", STALL_S)
        time.sleep(max(0.0, start_s + STALL_S - time.monotonic()))
    return Struck(time.monotonic(), figures={"told": told_s[0]})


def port_crowded(room: Room, shown: Video, number: int) -> Struck:
    """50 junk and 100 idle connections to the DICOM port while 10 stills are pushed; from the first one's arrival."""
    start_s = time.monotonic()
    with ExitStack() as crowd:
        room.scanner.crowd(crowd, number)
        echo_s = room.scanner.echo_s()
        room.scanner.push(PUSH)
    return Struck(start_s, room.scanner.is_settled, {"echo": echo_s})


def service_killed(room: Room, shown: Video, number: int) -> Struck:
    """SIGKILL for `edge serve`; the exam that it opens again is acknowledged at the page."""
    room.serve.kill()
    return Struck(time.monotonic(), lambda: room.serve.is_ready)


FAULTS: Sequence[Callable[[Room, Video, int], Struck]] = (
    inference_killed,
    inference_hung,
    video_bridge_killed,
    dicom_bridge_killed,
    cart_bridge_killed,
    line_pulled,
    cart_rebooted,
    video_stalled,
    port_crowded,
    service_killed,
)


def struck(room: Room, shown: Video, seconds: float, period_s: float) -> dict[str, Any]:
    """All faults in turn, each at least once, until the time is over.

    Args:
        room: all well.
        shown: its video.
        seconds: for all of them.
        period_s: from one to the next at least.

    Raises:
        TimeoutError: something did not become well again.
    """
    taken: dict[str, list[dict[str, float]]] = {fault.__name__: [] for fault in FAULTS}
    start_s, number = time.monotonic(), 0
    while number < len(FAULTS) or time.monotonic() - start_s < seconds:
        fault, begin_s = FAULTS[number % len(FAULTS)], time.monotonic()
        told = fault(room, shown, number // len(FAULTS))
        room.cart.step()
        try:
            room.until(lambda told=told: not unwell(room, told), "all well")  # type: ignore[misc]
        except TimeoutError as error:
            keys = (room.cart.events, len(room.cart.ledger.inputs), len(room.cart.ledger.answers))
            raise TimeoutError(f"{fault.__name__}, not well: {unwell(room, told)}; keys: {keys}") from error
        taken[fault.__name__].append({"well": time.monotonic() - told.since_s, **(told.figures or {})})
        time.sleep(max(0.0, begin_s + period_s - time.monotonic()))
        number += 1
    return {fault.__name__: {"what": _line(fault.__doc__), **_spread(taken[fault.__name__])} for fault in FAULTS}


def is_on(room: Room) -> bool:
    """Whether frames are answered."""
    view, _ = room.watch.newest()
    return view is not None and view.engine.ai_on


def unwell(room: Room, told: Struck = CALM) -> list[str]:
    """What is not well (again); nothing: all is.

    Args:
        room: of everything.
        told: the fault.
    """
    (view, came_s), since_s, lamps = room.watch.newest(), told.since_s, room.cart.lamps
    if view is None or view.exam is None or view.engine.age_s is None:
        return ["view"]
    is_ours = view.exam.checklist.exam == room.exam and not view.exam.is_changed
    wells = {
        "exam": is_ours,
        "answer": view.engine.ai_on and came_s - view.engine.age_s > since_s,
        "signal": view.source.signal == Signal.RUNNING.value,
        "store": view.store.state == OK,
        "lamps": lamps.get("link") == "up" and lamps_agree(view, lamps),
        "keys": room.cart.is_answered,
        "page": room.page.is_well(since_s),
        "more": bool(told.more()),
    }
    return [name for name, is_well in wells.items() if not is_well]


def _counted(room: Room, count: Callable[[View], int]) -> int:
    """What the newest view counts; -1 while the box is silent."""
    view, _ = room.watch.newest()
    return -1 if view is None else count(view)


def _then_more(room: Room, condition: Callable[[], bool], count: Callable[[View], int]) -> Callable[[], bool]:
    """Whether a count has risen since something was so: what was under way when it happened does not pass for news."""
    counts: list[int] = []

    def has_risen() -> bool:
        if not counts and condition():
            counts.append(_counted(room, count))
        return bool(counts) and _counted(room, count) > counts[0]

    return has_risen


def _spread(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Count, median and worst of each figure."""
    figures = {
        f"{name}_s": {
            "median": round(statistics.median(row[name] for row in rows), 2),
            "worst": round(max(row[name] for row in rows), 2),
        }
        for name in rows[0]
    }
    return {"n": len(rows), **figures}


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
