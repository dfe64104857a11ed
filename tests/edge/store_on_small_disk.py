"""A store on a disk of 40 MiB that fills up, in a mount namespace of its own: `python store_on_small_disk.py FOLDER`.

Prints one JSON object: what the store did in each phase.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.errors import MachineError
from edge.store import Store
from edge.store_check import check_store
from edge.store_space import MIB, Space, reserve_file
from tests.edge.stored import BUNDLE, jpeg_from_seed, opened

DISK = "40m"
SPACE = Space(floor_bytes=4 * MIB)  # and the reserve as it is
IMAGE_BYTES = 200_000


def fill_with_captures(store: Store, exam: str) -> tuple[list[int], str]:
    """Captures until one is refused."""
    taken: list[int] = []
    while True:
        try:
            taken.append(store.append(exam, "capture", {}, jpeg_from_seed(len(taken), IMAGE_BYTES)))
        except MachineError as error:
            return taken, error.cause


def ballast(folder: Path) -> Path:
    """Another program takes every byte that is left."""
    file = folder / "ballast"
    with file.open("wb", buffering=0) as stream:
        size = 65536
        while size:
            try:
                stream.write(bytes(size))
            except OSError:
                size //= 2
    return file


def all_kept(store: Store, exam: str, taken: list[int]) -> bool:
    return all(store.jpeg(exam, number) == jpeg_from_seed(i, IMAGE_BYTES) for i, number in enumerate(taken))


def phases(folder: Path) -> dict[str, Any]:
    path, done = folder / "x.db", {}
    with opened(path, space=SPACE) as store:
        exam = store.new_exam({}, BUNDLE)
        done["reserve"] = reserve_file(path).exists()
        taken, done["refused"] = fill_with_captures(store, exam)
        done["taken"], done["state"] = len(taken), store.state().state
        done["event_below_the_floor"] = store.append(exam, "freeze", {}) == len(taken) + 1
        file = ballast(folder)
        done["free"] = os.statvfs(folder).f_bavail
        done["ended"] = store.append(exam, "end", {}) > 0
        for _ in range(300):  # the log fills, and is checkpointed into the reserve's room
            try:
                store.append(exam, "tick", {"text": "x" * IMAGE_BYTES})
            except MachineError as error:
                done["at_last"] = error.cause
                break
        done["half_a_reserve"] = reserve_file(path).stat().st_size == SPACE.reserve_bytes // 2
        done["full"] = store.state().state
        done["kept_while_full"] = all_kept(store, exam, taken)
        records = check_store(store).records
    with opened(path, space=SPACE) as store:  # a service that starts on a full disk
        done["opens_full"] = check_store(store).records == records and all_kept(store, exam, taken)
        done["probe_full"] = store.probe().state
        store.delete(exam)
        done["after_deletion"] = store.state().state
        done["works_again"] = fill_with_captures(store, store.new_exam({}, BUNDLE))[0][:3]
        file.unlink()
        done["reserve_again"] = store.probe().state == "ok" and reserve_file(path).stat().st_size == SPACE.reserve_bytes
        done["deleted"] = check_store(store).deleted
    return done


if __name__ == "__main__":
    place = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], check=True)
    print(json.dumps(phases(place)))
