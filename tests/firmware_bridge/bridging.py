"""`edge bridge igtl|video` as a process of its own, whose JSON lines the test reads."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

WAIT_S = 20.0  # a loaded machine


class Bridging:
    """A running bridge.

    Attributes:
        process: of `edge bridge`.
        ready: its first line.
        last: its newest line.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.last: Any = None
        self._lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        self.ready = self.wait(lambda line: line["event"] == "ready")

    def wait(self, condition: Callable[[Any], bool], seconds: float = WAIT_S) -> Any:
        """The first line from now on that the condition accepts."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.last = json.loads(self._lines.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError((self.last, self.process.poll())) from None
            if condition(self.last):
                return self.last

    def end(self) -> tuple[int, str]:
        """Terminate; exit code and standard error."""
        self.process.terminate()
        code = self.process.wait(WAIT_S)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()

    def _read(self, stream: IO[str]) -> None:
        with suppress(ValueError):  # the test has ended and closed it
            for line in stream:
                self._lines.put(line)


def command_line(name: str, *arguments: object) -> list[str]:
    """`edge bridge NAME ARGUMENTS --json`."""
    return [sys.executable, "-m", "edge", "bridge", name, *(str(argument) for argument in arguments), "--json"]


def started(name: str, *arguments: object) -> tuple[int, str]:
    """Exit code and output of a bridge that ends by itself."""
    done = subprocess.run(command_line(name, *arguments), capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout


@contextmanager
def bridging(name: str, *arguments: object) -> Iterator[Bridging]:
    """Start a bridge, and be sure that it has ended."""
    command = command_line(name, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Bridging(process)
        finally:
            process.kill()
