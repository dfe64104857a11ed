"""Is what the service told anybody still there after kill -9: `edge serve` under load, killed at random moments.

::

    edge serve --source demo <--orders, views over the Unix socket-- this process: notes what was acknowledged
         ^---- SIGKILL at a random moment ---------------------------'   then reads the store and its audit chain

Acknowledged is what a caller was told: an order that was answered with 200, and a capture that stood in a view. The
load is the demo at its own rate, its model, bursts of orders as fast as they are answered, and the freeze key between
them. The death of the process is shown here, not a power cut (tests/bench/store.py says what that rests on).
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.store_check import check_store
from edge.store_reader import open_reader

BUNDLE = "build/fetal-planes.edge"
READY_S = 60.0  # a loaded machine starts slowly
LONGEST_S = 8.0  # from the service's readiness to the kill; the first plane is held after about two
BURST = 20  # orders; each starts the exam's window of frames anew, so that none is captured meanwhile
CALM_S = 1.2  # after a burst: longer than the window, and a press of the freeze key: a capture, of a plane or the tray
GONE_S = 5.0  # for the inference process to end after its parent
PAUSE_S = 0.02  # between two views
PLANE = "profile_standard"  # which no demo shows: orders about it never meet a capture


@dataclass
class Told:
    """What callers were told so far.

    Attributes:
        orders: exam and reason of every order that was answered with 200.
        captures: exam and frame that stood in a view.
        refused: orders that were not.
    """

    orders: set[tuple[str, str]] = field(default_factory=set)
    captures: set[tuple[str, str]] = field(default_factory=set)
    refused: int = 0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        """Connect to the path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def measured(small: bool) -> dict[str, Any]:
    """100 kills, or 2 at the small scale."""
    with tempfile.TemporaryDirectory() as folder:
        return figures_from_kills(Path(folder), 2 if small else 100, seed=0)


def figures_from_kills(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill the service so many times on one store and look for what it told.

    Args:
        folder: for store and socket.
        kills: how many.
        seed: of the moments.
    """
    rng = random.Random(seed)
    store, told, starts, orphans = folder / "exams.db", Told(), list[float](), 0
    lost: set[tuple[str, str]] = set()
    for number in range(kills):
        with service(store, folder / "api.sock", number) as (process, start_s):
            starts.append(start_s)
            child = children(process.pid)
            killer = threading.Timer(rng.uniform(0, LONGEST_S), process.send_signal, (signal.SIGKILL,))
            killer.start()
            load_until_dead(folder / "api.sock", told, f"kill-{number}")
            killer.join()
            process.wait()
            orphans += still_there(child)
        lost |= lost_records(store, told)
    with open_reader(store) as reader:
        checked = check_store(reader)  # raises where chain and rows disagree
    return {
        "synthetic": True,
        "service": "edge serve, --source demo",
        "kills": kills,
        "orders_acknowledged": len(told.orders),
        "captures_shown": len(told.captures),
        "orders_refused": told.refused,
        "lost": len(lost),
        "audit_entries": checked.head.number,
        "audit_valid": True,
        "inference_processes_left_behind": orphans,
        "start_s": {"median": sorted(starts)[len(starts) // 2], "max": max(starts)},
    }


@contextmanager
def service(store: Path, api: Path, seed: int) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """`edge serve`, ready; killed at the latest with the end of the block.

    Args:
        store: of the exams.
        api: the socket.
        seed: of the demo; another one is another exam.

    Yields:
        The process, and seconds from its start to its readiness.
    """
    command = [sys.executable, "-m", "edge", "serve", BUNDLE, "--source", "demo", "--store", str(store)]
    command += ["--seed", str(seed // 5), "--socket", str(api), "--no-page", "--json"]
    started_s = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                assert process.stderr is not None
                raise RuntimeError(f"edge serve did not start: {process.stderr.read()}")
            threading.Thread(target=_drained, args=(process,), daemon=True).start()
            yield process, round(time.monotonic() - started_s, 2)
        finally:
            process.kill()


def load_until_dead(api: Path, told: Told, name: str) -> None:
    """Views and orders until the service does not answer any more.

    Args:
        api: the socket.
        told: is added to.
        name: begins the reasons of the orders, so that each is found again.
    """
    number = itertools.count()
    try:
        while True:
            exam = look(api, told)
            if exam is None:
                time.sleep(PAUSE_S)
                continue
            for _ in range(BURST // 2):
                order = {"exam": exam, "plane": PLANE, "fetus": 1}
                reason = f"{name}-{next(number)}"
                if tell(api, told, "not_obtainable", {**order, "reason": reason}):
                    told.orders.add((exam, reason))
                tell(api, told, "take_back", order)
            for path in ("acknowledge", "freeze"):
                tell(api, told, path, {"exam": exam})
            calm_s = time.monotonic() + CALM_S
            while time.monotonic() < calm_s:
                look(api, told)
                time.sleep(PAUSE_S)
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return


def look(api: Path, told: Told) -> str | None:
    """Ask for a view and note its captures; the id of its exam."""
    exam = answer(api, "GET", "/api/view")[1]["exam"]
    if exam is None:
        return None
    checklist = exam["checklist"]
    frames = {row["frame"] for row in checklist["rows"] if row["frame"]} | set(checklist["tray"])
    told.captures |= {(checklist["exam"], frame) for frame in frames}
    return str(checklist["exam"])


def tell(api: Path, told: Told, order: str, body: dict[str, Any]) -> bool:
    """Give an order: whether it was acknowledged."""
    status, _ = answer(api, "POST", f"/api/orders/{order}", {"by": "", **body})
    told.refused += status != 200
    return status == 200


def answer(api: Path, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One request: status and JSON."""
    connection = UnixConnection(api)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"content-type": "application/json"} if data else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def lost_records(store: Path, told: Told) -> set[tuple[str, str]]:
    """What was told and is not in the store: orders by their reason, captures by their frame, picture included."""
    reasons, frames = set(), set()
    with open_reader(store) as reader:
        for exam in reader.exams():
            for event in reader.events(exam.exam):
                if event.kind == "not_obtainable":
                    reasons.add((exam.exam, event.event["reason"]))
                elif event.kind == "captured" and event.has_jpeg and reader.jpeg(exam.exam, event.sequence):
                    frames.add((exam.exam, event.event["capture"]["frame"]))
    return (told.orders - reasons) | (told.captures - frames)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


def still_there(pids: list[int]) -> int:
    """How many of them live on although their parent is gone."""
    end_s = time.monotonic() + GONE_S
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < end_s:
        time.sleep(0.05)
    return len(left)


def _runs(pid: int) -> bool:
    """Whether a process is there, and more than an entry that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _drained(process: subprocess.Popen[str]) -> None:
    """Read the log, so that the service never waits for a full pipe."""
    assert process.stderr is not None
    for _ in process.stderr:
        pass
