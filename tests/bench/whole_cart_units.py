"""Processes that are started again when they die, as systemd does with the units of the cart.

::

    command --Popen--> JSON lines of standard output, kept       dies --RESTART_S--> started again
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.plane_check_kills import children

RESTART_S = 0.25  # RestartSec of edge/deploy/units
START_S = 60.0  # a loaded machine
END_S = 20.0


class Unit:
    """`edge ...` for as long as the block runs; a context manager.

    Attributes:
        name: for messages.
        starts: how often it was started.
        told: every document that it printed.
    """

    def __init__(self, name: str, log: Path, *arguments: object) -> None:
        """Nothing runs yet.

        Args:
            name: for messages.
            log: file for its standard error.
            arguments: of `edge`; `--json` is added.
        """
        self.name, self.starts, self.told = name, 0, list[Any]()
        self._log = log
        self._command = [sys.executable, "-m", "edge", *(str(argument) for argument in arguments), "--json"]
        self._process: subprocess.Popen[str] | None = None
        self._ends, self._is_ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Unit:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    @property
    def pid(self) -> int:
        """Of the process now; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    @property
    def is_ready(self) -> bool:
        """Whether the process that runs now has said so."""
        return self._is_ready.is_set()

    def wait_ready(self) -> Any:
        """What it said when it was.

        Raises:
            RuntimeError: it does not start.
        """
        if not self._is_ready.wait(START_S):
            raise RuntimeError(f"{self.name} did not start: {self.faults()[-500:]}")
        return next(document for document in reversed(self.told) if document.get("event", "ready") == "ready")

    def kill(self) -> None:
        """SIGKILL; it is started again."""
        self._is_ready.clear()
        assert self._process is not None
        self._process.kill()

    def end(self) -> Any:
        """SIGTERM; what it said last. It is not started again."""
        self._ends.set()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._thread.join(END_S)
        return self.told[-1]

    def faults(self) -> str:
        """What all its processes wrote to standard error."""
        return self._log.read_text() if self._log.exists() else ""

    def _run(self) -> None:
        while not self._ends.is_set():
            self.starts += 1
            with (
                self._log.open("a") as log,
                subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log, text=True) as self._process,
            ):
                assert self._process.stdout is not None
                for line in self._process.stdout:
                    with contextlib.suppress(json.JSONDecodeError):  # cut off by SIGKILL
                        self.told.append(json.loads(line))
                        self._is_ready.set()
            self._is_ready.clear()
            self._ends.wait(RESTART_S)


def inference_pid(service: Unit) -> int:
    """Of the inference process; 0 while there is none."""
    with contextlib.suppress(OSError, IndexError):
        return children(service.pid)[0]
    return 0


def signal_inference(service: Unit, number: signal.Signals) -> None:
    """A signal for the inference process."""
    pid = inference_pid(service)
    assert pid, "there is no inference process"
    os.kill(pid, number)


@contextlib.contextmanager
def every(period_s: float, step: Callable[[], object]) -> Iterator[None]:
    """Call a function in a thread of its own until the block ends; what it raises is raised at the end."""
    ends, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            next_s = time.monotonic()
            while not ends.wait(max(0.0, next_s - time.monotonic())):
                next_s = max(next_s + period_s, time.monotonic())
                step()
        except BaseException as error:  # noqa: BLE001  # raised in the thread that owns the block
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    if errors:
        raise errors[0]
