"""Processes that are killed at a moment of one's choice, for what the outbox must outlive.

`python -m tests.firmware_bridge.dicom.killed put FOLDER`: dies before each statement of a `put` in turn; prints JSON.
`python -m tests.firmware_bridge.dicom.killed send OUTBOX PORT [N]`: sends; dies when it would note its N-th delivery.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.dicom import outbox_run
from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_schema import Counts
from tests.firmware_bridge.dicom.archives import GIVEN_UP_S, to_port
from tests.firmware_bridge.dicom.finished import made_up, outbox_at

OBJECTS, EVENTS = 3, 5
NOTE = "UPDATE deliveries"  # how `settle` begins: the receiver has the object, and nobody here knows it yet


def die_at(outbox: Outbox, number: int, word: str = "") -> None:
    """SIGKILL for this process before its N-th statement from now on that begins so."""
    left = [number]

    def traced(statement: str) -> None:
        left[0] -= statement.startswith(word)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    outbox._file._connection.set_trace_callback(traced)


def killed_puts(folder: Path) -> dict[str, int]:
    """A put that dies before each of its statements in turn, then the same put once more."""
    kills = torn = acknowledged = 0
    while True:
        path = folder / f"{kills}.db"
        child = os.fork()
        if child == 0:
            with outbox_at(path) as outbox:
                die_at(outbox, kills + 1)
                _put(outbox)
                os._exit(0)
        _, status = os.waitpid(child, 0)
        with outbox_at(path) as outbox:
            found = (outbox.counts("a").waiting, outbox.counts("b").waiting, outbox.events_of("exam"))
            torn += found not in ((0, 0, 0), (OBJECTS, OBJECTS, EVENTS))
            _put(outbox)
            acknowledged += outbox.counts("a") == outbox.counts("b") == Counts(OBJECTS, 0, 0)
        if not os.WIFSIGNALED(status):
            assert found == (OBJECTS, OBJECTS, EVENTS)
            return {"kills": kills, "torn": torn, "whole_after_another_put": acknowledged - 1}
        kills += 1


@contextmanager
def sender(path: Path, port: int, notes: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Send in another process, which prints a line each round: "sent" or its trouble; killed at the end.

    Args:
        path: of the outbox.
        port: of the receiver.
        notes: it kills itself instead of noting its N-th delivery; 0: it does not.
    """
    command = [sys.executable, "-m", "tests.firmware_bridge.dicom.killed", "send", str(path), str(port), str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _put(outbox: Outbox) -> None:
    outbox.put([made_up(number) for number in range(OBJECTS)], ["a", "b"], "exam", EVENTS)


def _send(path: Path, port: int, notes: int) -> None:
    outbox_run.FIRST_WAIT_S, outbox_run.LONGEST_WAIT_S, outbox_run.POLL_S = 0.1, 0.3, 0.05
    with outbox_at(path) as outbox:
        if notes:
            die_at(outbox, notes, NOTE)
        stop = threading.Event()
        outbox_run.run_outbox(
            outbox,
            [to_port(port, response_s=GIVEN_UP_S)],
            stop,
            time.monotonic,
            lambda told: print(told.trouble or "sent", flush=True),
        )


if __name__ == "__main__":
    if sys.argv[1] == "put":
        print(json.dumps(killed_puts(Path(sys.argv[2]))))
    else:
        _send(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
