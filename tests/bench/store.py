"""Does the store keep what it acknowledged: a child appends under load and is killed with SIGKILL at random moments,
again and again on the same store; then the store is checked against its chain and searched for what was acknowledged.

    child: open -> new_exam, append, append ... --a line for each acknowledgement--> pipe --> parent: kill -9

What this shows is the death of the process. A power cut is not shown here: synchronous=FULL rests on SQLite's word.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from edge.files import sha256_from_bytes
from edge.store import open_store
from edge.store_check import check_store
from edge.store_reader import ExamReader, open_reader

ROOT = Path(__file__).parents[2]
BUNDLE = "b" * 64
WALL = "2026-01-01T00:00:00+00:00"
JPEG_BYTES = (20_000, 90_000)  # of a frame of 1024x768 cut to its region
EXAM_EVENTS = 40  # then the next exam is opened, and now and then an old one deleted
LONGEST_S = 0.6  # of a child's life after its start; opening the store included


def measured(small: bool) -> dict[str, Any]:
    """100 kills, or 10 at the small scale."""
    with tempfile.TemporaryDirectory() as folder:
        return figures_from_kills(Path(folder) / "exams.db", 10 if small else 100, seed=0)


def figures_from_kills(path: Path, kills: int, seed: int, least: int = 0) -> dict[str, Any]:
    """Kill a writing child so many times and look for what it acknowledged.

    Args:
        path: of the store; made if it is not there.
        kills: how many.
        seed: of the moments, the loads and the images.
        least: lines that each tells before its time begins, as in `lines_until_killed`.
    """
    rng = random.Random(seed)
    kept: dict[tuple[str, int], str] = {}
    deleted: set[str] = set()
    lost, unacknowledged, before_open, told = 0, 0, 0, 0
    for number in range(kills):
        lines = lines_until_killed(path, rng.uniform(0, LONGEST_S), rng.randrange(1 << 30), least)
        before_open += not lines
        told += sum("sequence" in line for line in lines)
        remember(lines, kept, deleted)
        with open_reader(path) as reader:
            lost += len(lost_records(reader, kept, deleted))
            records = check_store(reader).records if number % 10 == 9 or number == kills - 1 else None
    with open_store(path, wall=lambda: WALL) as store:  # and the next service goes on
        found = check_store(store)
        store.append(store.new_exam({}, BUNDLE), "heartbeat", {})
        unacknowledged = (records or 0) - len(kept)
        after = check_store(store)
    return {
        "kills": kills,
        "killed_before_the_first_acknowledgement": before_open,
        "acknowledged": told,
        "compared_at_the_end": len(kept),
        "acknowledged_deletions": len(deleted),
        "lost": lost,
        "stored_but_not_acknowledged": unacknowledged,
        "audit_entries": found.head.number,
        "audit_valid": after.head.number == found.head.number + 2,
    }


def lines_until_killed(path: Path, life_s: float, seed: int, least: int = 0) -> list[dict[str, Any]]:
    """One child: what it acknowledged before it was killed.

    Args:
        path: of the store.
        life_s: from the moment in which it reaches for the store.
        seed: of its load.
        least: lines that it tells before its life begins to count: a slow machine may do nothing in it.
    """
    command = [sys.executable, "-m", "tests.bench.store", str(path), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # imports are done
        data = b"".join(child.stdout.readline() for _ in range(least))
        timer = threading.Timer(life_s, child.send_signal, (signal.SIGKILL,))
        timer.start()
        data += child.stdout.read()
        timer.join()
    whole = data[: data.rfind(b"\n") + 1]  # the last line may be cut
    return [json.loads(line) for line in whole.splitlines()]


def remember(lines: list[dict[str, Any]], kept: dict[tuple[str, int], str], deleted: set[str]) -> None:
    """Take acknowledgements into the account."""
    for line in lines:
        if "deleted" in line:
            deleted.add(line["deleted"])
            for place in [place for place in kept if place[0] == line["deleted"]]:
                del kept[place]
        else:
            kept[line["exam"], line["sequence"]] = line["sha256"]


def lost_records(reader: ExamReader, kept: dict[tuple[str, int], str], deleted: set[str]) -> list[tuple[str, int]]:
    """Acknowledged records that are not there as they were, and deleted exams that are back."""
    there = {exam.exam for exam in reader.exams()}
    removing = {exam for exam, _ in kept} - there  # the kill came between a deletion and its acknowledgement
    gone = {entry.exam for entry in reader.audit() if entry.kind == "exam.deleted"} if removing else set()
    wrong = [(exam, 0) for exam in deleted & there]
    for place, digest in list(kept.items()):
        exam, sequence = place
        if exam in gone:
            del kept[place]
        elif exam not in there or (sequence and sha256_from_bytes(reader.jpeg(exam, sequence)) != digest):
            wrong.append(place)
    return wrong


def write_forever(path: Path, seed: int) -> None:
    """The child: exams, events with images and deletions as fast as they go, each told on standard output."""
    rng = random.Random(seed)
    _tell({"ready": os.getpid()})
    with open_store(path, wall=lambda: WALL) as store:
        while True:
            exam = store.new_exam({"patient": f"P{rng.random()}"}, BUNDLE)
            _tell({"exam": exam, "sequence": 0, "sha256": ""})
            for _ in range(EXAM_EVENTS):
                jpeg = b"\xff\xd8" + rng.randbytes(rng.randrange(*JPEG_BYTES))
                sequence = store.append(exam, "capture", {"plane": "TV", "at": time.monotonic()}, jpeg)
                _tell({"exam": exam, "sequence": sequence, "sha256": sha256_from_bytes(jpeg)})
            if rng.random() < 0.5:
                oldest = store.exams()[0].exam
                store.delete(oldest)
                _tell({"deleted": oldest})


def _tell(line: dict[str, Any]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    write_forever(Path(sys.argv[1]), int(sys.argv[2]))
