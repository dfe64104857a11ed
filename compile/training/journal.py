"""What a run tells about itself: a line of JSON an epoch, and the same for TensorBoard where that is installed."""

from __future__ import annotations

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
    with (folder / FILE).open("a") as log:
        log.write(json.dumps(record) + "\n")
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
    """The epochs of a run, each once: one that was repeated after a power cut counts as it ran last."""
    lines = (folder / FILE).read_text().splitlines()
    records = {record["epoch"]: record for record in map(json.loads, lines)}
    return [records[epoch] for epoch in sorted(records)]
