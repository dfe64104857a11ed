"""The outbox against every fault in turn, its sender killed in between: what arrived, how often, and how fast.

`python -m tests.firmware_bridge.dicom.outbox_bench --exams 50` prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydicom import dcmread

from edge.reports.gather import report_from_store
from firmware_bridge.dicom.outbox import open_outbox
from firmware_bridge.dicom.outbox_exam import outbox_from_exam
from firmware_bridge.dicom.sr import COMPREHENSIVE_SR
from tests.edge.reports.exams import stored
from tests.edge.stored import opened
from tests.firmware_bridge.dicom.archives import archive, free_port

FAULTS = ("--refuse", "--abort-during", "--abort-after", "--sleep-during 4", "")  # the last is killed at work
FAULT_S = 4.0  # how long each receiver lives
SENDER = """
import sys, threading, time
from pathlib import Path
from firmware_bridge.dicom import outbox_run
from firmware_bridge.dicom.outbox import open_outbox
from tests.firmware_bridge.dicom.archives import to_port
outbox_run.LONGEST_WAIT_S = 0.5
with open_outbox(Path(sys.argv[1])) as outbox:
    outbox_run.run_outbox(outbox, [to_port(int(sys.argv[2]))], threading.Event(), time.monotonic)
"""


def measured(exams: int, folder: Path) -> dict[str, Any]:
    """Send exams through all faults.

    Args:
        exams: how many, 7 objects each.
        folder: for store, outbox and receiver.
    """
    path, port = folder / "box" / "outbox.db", free_port()
    with opened(folder / "exams.db") as store, open_outbox(path) as outbox:
        put_s = time.monotonic()
        for _ in range(exams):
            outbox_from_exam(outbox, report_from_store(store, stored(store)), ["pacs"])
        put_s = time.monotonic() - put_s
        count = outbox.counts("pacs").waiting
    for fault in FAULTS:
        with archive(folder / "pacs", *fault.split(), port=port):
            _killed(path, port, FAULT_S)
    with archive(folder / "pacs", port=port) as pacs:
        before, began_s = len(pacs.files), time.monotonic()
        sender = subprocess.Popen([sys.executable, "-c", SENDER, str(path), str(port)])
        while len(pacs.files) < count:
            time.sleep(0.1)
        clean_s = time.monotonic() - began_s
        time.sleep(2.0)
        sender.kill()
        sender.wait()
        with open_outbox(path) as outbox:
            left = outbox.counts("pacs")
        files = [dcmread(file, stop_before_pixels=True) for file in pacs.files]
        return {
            "objects": count, "sender_kills": len(FAULTS) + 1, "put_per_s": round(count / put_s, 1),
            "stored": len(files), "unique": len({str(data.SOPInstanceUID) for data in files}),
            "reports": sum(data.SOPClassUID == COMPREHENSIVE_SR for data in files), "exams": exams,
            "received_twice": sum(times > 1 for times in pacs.receptions.values()),
            "before_clean": before, "clean_per_s": round((count - before) / clean_s, 1),
            "waiting": left.waiting, "delivered": left.delivered, "dead": left.dead,
        }  # fmt: skip


def _killed(path: Path, port: int, after_s: float) -> None:
    sender = subprocess.Popen([sys.executable, "-c", SENDER, str(path), str(port)])
    time.sleep(after_s)
    sender.kill()
    sender.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--exams", type=int, default=50)
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(measured(parser.parse_args().exams, Path(made))))
