"""Kill a running service at random moments while stills and orders come in, and look for what it had acknowledged.

::

    start -> load: stills of several patients, orders; what a view or a reply shows is acknowledged -> kill -9 -> look

A capture is acknowledged once a view shows its frame, an order once it is answered with 200: both are on the disk then.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EdgeError
from edge.store import store_path
from edge.store_check import check_store
from edge.store_reader import ExamReader, open_reader
from tests.edge.serving import Serving, serving

LONGEST_S = 2.0  # of a service's life after it was ready, and had acknowledged the least that was asked for
PATIENTS = 3  # stills switch between their exams


@dataclass
class Acknowledged:
    """What the service has said is done.

    Attributes:
        frames: (exam, frame) of captures.
        orders: (exam, plane, reason) of planes that a person gave up.
    """

    frames: set[tuple[str, str]] = field(default_factory=set)
    orders: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Captures and orders."""
        return len(self.frames) + len(self.orders)


@dataclass(frozen=True)
class KillFigures:
    """What some kills did.

    Attributes:
        kills: how many.
        acknowledged: captures and orders.
        lost: those among them that are not in the store.
        is_valid: the audit chain and every record agree, after each kill.
    """

    kills: int
    acknowledged: int
    lost: int
    is_valid: bool


def figures_from_service_kills(
    home: Path,
    arguments: Sequence[object],
    pictures: Sequence[NDArray[np.uint8]],
    kills: int,
    rng: random.Random,
    least: int = 0,
) -> KillFigures:
    """Start, load and kill a service so many times.

    Args:
        home: of the keyring and the store.
        arguments: of `edge serve`, with a socket.
        pictures: stills that the bundle accepts, no two alike.
        kills: how many.
        rng: of the moments and the load.
        least: what each has acknowledged before the time of its kill begins: a slow machine may do nothing in it.
    """
    done, is_valid = Acknowledged(), True
    for _ in range(kills):
        with serving(home, *arguments) as service:
            before = done.count
            while done.count < before + least:
                load_once(service, pictures, rng, done)
            timer = threading.Timer(rng.uniform(0.1, LONGEST_S), service.process.kill)
            timer.start()
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):  # the kill came
                while True:
                    load_once(service, pictures, rng, done)
            timer.join()
            service.process.wait()
        with open_reader(store_path(home)) as reader:
            is_valid = is_valid and is_whole(reader)
    with open_reader(store_path(home)) as reader:
        lost = missing(reader, done)
    return KillFigures(kills, done.count, lost, is_valid)


def load_once(service: Serving, pictures: Sequence[NDArray[np.uint8]], rng: random.Random, done: Acknowledged) -> None:
    """One still and one order, and what the view shows after them."""
    picture = np.roll(rng.choice(pictures), rng.randrange(1, 64), axis=0)
    service.still(picture, f"P{rng.randrange(PATIENTS)}")
    remember(service.view(), done)
    exam, reason = service.view()["exam"]["checklist"]["exam"], f"r{rng.randrange(1 << 30)}"
    status, reply = service.order("not_obtainable", exam=exam, plane="thorax", fetus=1, reason=reason)
    if status == 200:
        done.orders.add((exam, "thorax", reason))
        remember(reply["view"], done)
        service.order("take_back", exam=exam, plane="thorax", fetus=1)


def remember(view: Any, done: Acknowledged) -> None:
    """Take the captures that a view shows into the account."""
    if view["exam"] is not None:
        checklist = view["exam"]["checklist"]
        frames = [row["frame"] for row in checklist["rows"] if row["frame"]] + checklist["tray"]
        done.frames |= {(checklist["exam"], frame) for frame in frames}


def is_whole(reader: ExamReader) -> bool:
    """Whether the audit chain and every record agree."""
    try:
        check_store(reader)
    except EdgeError:
        return False
    return True


def missing(reader: ExamReader, done: Acknowledged) -> int:
    """How much of what was acknowledged the store does not hold."""
    frames, orders = set(), set()
    for summary in reader.exams():
        for stored in reader.events(summary.exam):
            event = stored.event
            if stored.has_jpeg and reader.jpeg(summary.exam, stored.sequence)[:2] == b"\xff\xd8":
                frames.add((summary.exam, event["capture"]["frame"]))
            elif "reason" in event:
                orders.add((summary.exam, event["plane"], event["reason"]))
    return len(done.frames - frames) + len(done.orders - orders)
