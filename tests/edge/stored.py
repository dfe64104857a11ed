"""A store with known content, for the tests of the store."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from edge.store import Store, open_store
from edge.store_space import Space

BUNDLE = "b" * 64
WALL = "2026-03-01T08:00:00+00:00"
ROOMY = Space(floor_bytes=0, reserve_bytes=0)  # a test's disk need not have 64 MiB


def opened(path: Path, **options: Any) -> AbstractContextManager[Store]:
    """The store of a test, its clock standing still."""
    return open_store(path, **{"wall": lambda: WALL, "space": ROOMY, **options})


def jpeg_from_seed(seed: int, size: int = 9000) -> bytes:
    """Bytes that begin as a JPEG and occur nowhere else."""
    return b"\xff\xd8" + random.Random(seed).randbytes(size - 2)


def filled(store: Store, patient: str, events: int = 3, seed: int = 0) -> str:
    """An exam of a patient with that many captures."""
    exam = store.new_exam({"patient": patient, "key": f"{patient}-key"}, BUNDLE, "op7")
    for number in range(1, events + 1):
        event = {"number": number, "note": f"{patient}-event-{number}"}
        store.append(exam, "capture", event, jpeg_from_seed(seed * 1000 + number))
    return exam
