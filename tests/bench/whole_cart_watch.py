"""Watches a whole cart: every view, the lamps beside it, latency and memory; and reads the store when it is over.

::

    /api/events -> Watch.view, what was told      panel -> seconds of disagreement      /metrics, /proc -> figures
    store -> is everything there that anybody was told, in one exam, in a valid chain
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.exam_events import BY_FREEZE, BY_MACHINE, BY_STORE
from edge.exam_state import PlaneState
from edge.service.view import View
from edge.store_check import check_store
from edge.store_reader import open_reader
from firmware_bridge.service_client import ServiceClient
from tests.bench.bridged import ENDS
from tests.bench.plane_check_kills import Told, UnixConnection, lost_records
from tests.bench.plane_check_sustained import private_mb
from tests.bench.whole_cart_line import Cart
from tests.bench.whole_cart_scanner import KEY, WHO

SOURCES = (BY_STORE, BY_FREEZE, BY_MACHINE)
STEP_S = 0.05
SAMPLE_S = 1.0
WARM_UP_SHARE = 0.2  # of a run; the allocators' pools have filled by then
LONG_S = 60.0  # a shorter run is all warm-up: its growth says nothing
FRESH_S = 2.0  # a view each second at least; then the box counts as silent


class Watch:
    """Attributes:
    told: what stood in views.
    exams: that did.
    seconds: watched.
    ai_on_s: of them.
    disagreed_s: of them the lamps showed something else than the newest view.
    longest_s: of one disagreement.
    worst_p99_ms: of /metrics.
    views: that came.
    """

    def __init__(self, api: Path, cart: Cart) -> None:
        """Nothing is watched.

        Args:
            api: the service's socket.
            cart: whose lamps.
        """
        self.told, self.exams, self.views = Told(), set[str](), 0
        self.seconds = self.ai_on_s = self.disagreed_s = self.longest_s = self.worst_p99_ms = 0.0
        self._api, self._cart = api, cart
        self._newest: tuple[View | None, float] = (None, 0.0)
        self._stepped_s = self._sampled_s = self._disagrees_s = 0.0
        self._memory: dict[str, list[tuple[float, float]]] = {}
        threading.Thread(target=self._listen, name="views", daemon=True).start()

    def newest(self) -> tuple[View | None, float]:
        """The newest view and when it came; None where the box is silent."""
        view, came_s = self._newest
        return (view if time.monotonic() - came_s < FRESH_S else None), came_s

    def begin(self) -> None:
        """Count from now on."""
        self.seconds = self.ai_on_s = self.disagreed_s = self.longest_s = self.worst_p99_ms = 0.0
        self._stepped_s = self._disagrees_s = time.monotonic()
        self._memory = {}

    def step(self, pids: Mapping[str, int]) -> None:
        """What is due; called some twenty times a second.

        Args:
            pids: of the processes whose memory is watched; 0: it is not there.
        """
        now_s, (view, _) = time.monotonic(), self.newest()
        past_s, self._stepped_s = now_s - self._stepped_s, now_s
        self.seconds += past_s
        self.ai_on_s += past_s if view is not None and view.engine.ai_on else 0.0
        if lamps_agree(view, self._cart.lamps):
            self._disagrees_s = now_s
        else:
            self.disagreed_s += past_s
            self.longest_s = max(self.longest_s, now_s - self._disagrees_s)
        if now_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = now_s
            self._sample(now_s, pids)

    def figures(self) -> dict[str, Any]:
        """Of the time since `begin`."""
        return {
            "seconds": round(self.seconds, 1),
            "ai_on_share": round(self.ai_on_s / self.seconds, 4),
            "largest_p99_ms": round(self.worst_p99_ms, 1),
            "lamps_disagreed_s": round(self.disagreed_s, 2),
            "longest_disagreement_s": round(self.longest_s, 2),
        }

    def memory(self) -> dict[str, Any]:
        """Private memory of each process at the end, and its growth after the warm-up."""
        figures = {}
        for name, samples in self._memory.items():
            kept = [one for one in samples if one[0] - samples[0][0] > WARM_UP_SHARE * self.seconds]
            minutes, mb = np.array(kept or samples).T / ((60,), (1,))
            slope = round(float(np.polyfit(minutes, mb, 1)[0]), 3) if self.seconds > LONG_S else None
            figures[name] = {"mb": round(float(mb[-1]), 1), "mb_per_minute": slope}
        return figures

    def _listen(self) -> None:
        with ServiceClient(self._api) as client:
            for view in client.events():
                self.views += view is not None
                self._newest = (view, time.monotonic())
                if view is not None and view.exam is not None:
                    checklist = view.exam.checklist
                    frames = {row.frame for row in checklist.rows if row.frame} | set(checklist.tray)
                    self.told.captures |= {(checklist.exam, frame) for frame in frames}
                    self.exams |= {checklist.exam, *(other.exam for other in view.others)}

    def _sample(self, now_s: float, pids: Mapping[str, int]) -> None:
        for name, pid in pids.items():
            with contextlib.suppress(OSError):
                if pid:
                    self._memory.setdefault(name, []).append((now_s, private_mb(pid)))
        with contextlib.suppress(OSError, http.client.HTTPException, KeyError):
            self.worst_p99_ms = max(self.worst_p99_ms, 1e3 * metrics(self._api)['latency_seconds{quantile="0.99"}'])


def lamps_agree(view: View | None, lamps: Mapping[str, str]) -> bool:
    """Whether the panel says what a view says; of a box that is silent it says that AI is off."""
    is_on = view is not None and view.engine.ai_on
    if lamps.get("ai") != ("on" if is_on else "off"):
        return False
    if view is None or view.exam is None or not is_on:
        return True
    rows = view.exam.checklist.rows
    bits = {
        "captured": [row.state in (PlaneState.CAPTURED, PlaneState.CONFIRMED) for row in rows],
        "weak": [row.low_quality for row in rows],
        "uncovered": [row.state is PlaneState.NOT_COVERED for row in rows],
    }
    return all(lamps[name] == f"{sum(bit << place for place, bit in enumerate(row)):08x}" for name, row in bits.items())


def metrics(api: Path) -> dict[str, float]:
    """Values of /metrics, without their prefix."""
    connection = UnixConnection(api)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    found = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name.removeprefix("vmamba_edge_"): float(value) for name, _, value in found}


def frames_accounted(api: Path, sent: int, frozen: int) -> dict[str, Any]:
    """What became of the frames that the service took.

    Args:
        api: its socket.
        sent: frames that all bridges say it took.
        frozen: presses of the freeze key: the frame of each is asked about once more, and counted at its end twice.
    """
    end_s = time.monotonic() + 10.0
    while True:
        values = metrics(api)
        ends = {name: int(values[f"{name}_total"]) for name in ENDS}
        taken = int(values["frames_total"])
        unaccounted = abs(sent - taken) + abs(taken + frozen - sum(ends.values()))
        if not unaccounted or time.monotonic() > end_s:
            return {"taken": taken, **ends, "asked_again_by_the_freeze_key": frozen, "unaccounted": unaccounted}
        time.sleep(0.1)


def store_figures(store: Path, told: Told, kept: set[str]) -> dict[str, Any]:
    """What the disk holds of what anybody was told.

    Args:
        store: whose service has ended.
        told: what stood in views.
        kept: names of stills of which the bridge was told that the exam keeps them.
    """
    with open_reader(store) as reader:
        checked = check_store(reader)  # raises where chain and rows disagree
        exams = [exam.exam for exam in reader.exams()]
        abouts = [event.event["key"] for exam in exams for event in reader.events(exam) if event.kind == "opened"]
    frames = {source: frames_kept(store, source) for source in SOURCES}
    is_ours = [about == {"patient": KEY.patient, "study": KEY.study} for about in abouts]
    return {
        "exams": len(exams),
        "other_keys": is_ours.count(False),
        "captures_shown": len(told.captures),
        "captures_shown_lost": len(lost_records(store, told)),
        "stills_kept_lost": len(kept - set(frames[BY_STORE])),
        "pictures": {source: len(kept) for source, kept in frames.items()},
        "audit_entries": checked.head.number,
        "audit_valid": True,
    }


def frames_kept(store: Path, source: str) -> list[str]:
    """Frames of captures of one source whose picture is on the disk; the service may run.

    Args:
        store: of the exams.
        source: of SOURCES.
    """
    frames = []
    with open_reader(store) as reader:
        for exam in reader.exams():
            for event in reader.events(exam.exam):
                if event.kind == "captured" and event.has_jpeg and reader.jpeg(exam.exam, event.sequence):
                    frames += [event.event["capture"]["frame"]] * (event.event["capture"]["source"] == source)
    return frames


def log_figures(folder: Path, told: Sequence[object]) -> dict[str, int]:
    """What stands in the logs of all processes that must not.

    Args:
        folder: of the logs.
        told: what the processes printed besides.
    """
    text = "".join(log.read_text() for log in folder.glob("*.log"))
    personal = sum((text + json.dumps(told)).count(one) for one in (KEY.patient, KEY.study, WHO.name))
    return {"lines": text.count("\n"), "traces": text.count("Traceback"), "patients": personal}
