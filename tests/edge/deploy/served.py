"""`edge serve` as a process of its own, as a system's manager sees it: its notifications, its page, its end.

python -m tests.edge.deploy.served PATHS ARGUMENTS...     serve, ask for the page's paths (comma between), stop
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 40.0
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Manager:
    """The end of systemd: hears what a service tells.

    Attributes:
        path: for NOTIFY_SOCKET.
        end: datagrams arrive here.
    """

    path: Path
    end: socket.socket

    def wait_for(self, line: str) -> list[str]:
        """Everything told up to and with a line.

        Raises:
            AssertionError: it does not come.
        """
        told: list[str] = []
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                told += self.end.recv(4096).decode().splitlines()
            if line in told:
                return told
        raise AssertionError(f"{line!r} was not told, but {told[-5:]}")


@contextlib.contextmanager
def manager(folder: Path) -> Iterator[Manager]:
    """Listen as systemd does.

    Args:
        folder: where the socket lies; its path must be short.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(folder / "notify"))
        end.settimeout(0.5)
        yield Manager(folder / "notify", end)


@contextlib.contextmanager
def serving(arguments: Sequence[object], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `edge serve --json` until the end of the block.

    Args:
        arguments: behind `edge serve`.
        environment: added to this process's.
    """
    words = [sys.executable, "-m", "edge", "serve", *(str(item) for item in arguments), "--json"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        cwd=ROOT,
    ) as service:
        try:
            yield service
        finally:
            service.kill()


def main(paths: Sequence[str], arguments: Sequence[str]) -> int:
    """One short life of a service, for a test that watches it from outside.

    Returns:
        The service's exit code.
    """
    with serving(arguments, {}) as service:
        assert service.stdout is not None
        page = json.loads(service.stdout.readline())["page"]
        for path in paths:
            with urllib.request.urlopen(page + path, timeout=PATIENCE_S) as answer:
                print(answer.status, path, len(answer.read()))
        service.terminate()
        _, told = service.communicate(timeout=PATIENCE_S)
        print(told, file=sys.stderr)
        return service.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
