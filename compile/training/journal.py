"""What a run tells about itself: a line of JSON an epoch, and the same for TensorBoard where that is installed."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

FILE = "log.jsonl"
BOARD = "tensorboard"  # folder of its event files


def write_record(folder: Path, record: Mapping[str, float]) -> None:
    """Add an epoch.

    Args:
        folder: of the run.
        record: "epoch", counted from 1, and numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a+b") as log:
        log.seek(-1 if log.tell() else 0, os.SEEK_END)
        torn = log.read() not in (b"", b"\n")  # what a power cut or a full disk left of a line
        log.write(("\n" * torn + json.dumps(record) + "\n").encode())
        log.flush()
        os.fsync(log.fileno())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorboard's own imports warn of each other
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # tensorboard comes with the extra [train] only
            return
        with SummaryWriter(str(folder / BOARD)) as writer:
            for name, value in record.items():
                if name != "epoch":
                    writer.add_scalar(name, value, record["epoch"])


def read_records(folder: Path) -> list[dict[str, float]]:
    """The epochs of a run, each once: one that was repeated after a power cut counts as it ran last.

    A torn line is passed over: its epoch had no checkpoint yet, so it was repeated and stands below.
    """
    records: dict[float, dict[str, float]] = {}
    for line in (folder / FILE).read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            records[record["epoch"]] = record
    return [records[epoch] for epoch in sorted(records)]
