"""Reports to an archive through every fault in turn, their sender killed in between: what arrived, and how often."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from edge.reports.gather import report_from_store
from firmware_bridge.dicom.outbox_exam import outbox_from_exam
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.edge.reports.exams import stored
from tests.edge.stored import opened
from tests.firmware_bridge.dicom.archives import Archive, archive, free_port
from tests.firmware_bridge.dicom.finished import outbox_at
from tests.firmware_bridge.dicom.killed import sender

FAULTS = ("--refuse", "--abort-during", "--abort-after", "--sleep-during 4", "--sleep-after 4")  # of storescp
PATIENCE_S = 300.0


def measured(is_small: bool) -> dict[str, Any]:
    """Send exams of 7 objects to a receiver that fails in each of its ways.

    Args:
        is_small: 1 exam and 1 death before a note instead of 40 and 20, which take three minutes.
    """
    exams, deaths = (1, 1) if is_small else (40, 20)
    with tempfile.TemporaryDirectory() as name:
        return {**_put_killed(Path(name)), **_sent(exams, deaths, Path(name))}


def _put_killed(folder: Path) -> dict[str, int]:
    """kill -9 before each statement of a put in turn."""
    (folder / "puts").mkdir()
    command = [sys.executable, "-m", "tests.firmware_bridge.dicom.killed", "put", str(folder / "puts")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True)
    return {f"put_{key}": value for key, value in json.loads(done.stdout).items()}


def _sent(exams: int, deaths: int, folder: Path) -> dict[str, Any]:
    path, port, pacs = folder / "box" / "outbox.db", free_port(), folder / "pacs"
    begin_s = time.monotonic()
    with opened(folder / "exams.db") as store, outbox_at(path) as outbox:
        for _ in range(exams):
            outbox_from_exam(outbox, report_from_store(store, stored(store)), ["pacs"])
        count = outbox.counts("pacs").waiting
    put_s = time.monotonic() - begin_s
    _meet_trouble(path, port)  # nobody is there; this sender as each other one is killed once it met its fault
    for fault in FAULTS:
        with archive(pacs, *fault.split(), port=port):
            _meet_trouble(path, port)
    with archive(pacs, port=port) as running:
        for number in range(deaths):
            with sender(path, port, notes=1 + number % 3) as dying:
                dying.wait(PATIENCE_S)
        before, begin_s = _delivered(path), time.monotonic()
        with sender(path, port):
            while len(running.receptions) < count:
                assert time.monotonic() - begin_s < PATIENCE_S, "not everything arrived"
                time.sleep(0.05)
            clean_s = time.monotonic() - begin_s
            time.sleep(2.0)  # whatever would be sent again
        return {
            "exams": exams, "objects": count, "faults": ["nobody listens", *FAULTS],
            "sender_kills": len(FAULTS) + 1 + deaths, "put_s": round(put_s, 2), "after_the_faults": count - before,
            "after_the_faults_s": round(clean_s, 2), **_found(running, path),
        }  # fmt: skip


def _meet_trouble(path: Path, port: int) -> None:
    with sender(path, port) as sending:
        assert sending.stdout is not None
        patience = threading.Timer(PATIENCE_S, sending.kill)
        patience.start()
        while (line := sending.stdout.readline()) == "sent\n":
            continue
        patience.cancel()
        assert line, "the sender met no trouble"


def _found(running: Archive, path: Path) -> dict[str, int]:
    """What the archive has, and what the outbox says of it."""
    from pydicom import dcmread

    files = [dcmread(file, stop_before_pixels=True) for file in running.files]
    with outbox_at(path) as outbox:
        left = outbox.counts("pacs")
    return {
        "stored": len(files), "unique": len({str(data.SOPInstanceUID) for data in files}),
        "reports": sum(data.SOPClassUID == COMPREHENSIVE_SR for data in files),
        "received_again_after_a_kill_or_fault": sum(times - 1 for times in running.receptions.values()),
        "waiting": left.waiting, "delivered": left.delivered, "dead": left.dead,
    }  # fmt: skip


def _delivered(path: Path) -> int:
    with outbox_at(path) as outbox:
        return outbox.counts("pacs").delivered
