"""Real receivers for the outbox: dcmtk's storescp with its faults, and Orthanc."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.dicom.send import Destination
from tests.conftest import absent
from tests.firmware_bridge.dicom.programs import tool

READY_S = 30.0
RESPONSE_S = 30.0  # of the tests: a receiver that is starved is not given up, and gets nothing twice
GIVEN_UP_S = 1.5  # for a response, where the test is about a receiver that sleeps longer


def free_port() -> int:
    """A TCP port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def to_port(port: int, name: str = "pacs", **changes: Any) -> Destination:
    """A destination on the loopback."""
    return Destination(**{"name": name, "host": "127.0.0.1", "port": port, "called": "PACS", "calling": "EDGE",
                                 "response_s": RESPONSE_S, **changes})  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """A storescp.

    Attributes:
        folder: where its files lie.
        port: where it listens.
        process: it.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def files(self) -> list[Path]:
        """What it stored; a file's name is its class and UID."""
        return sorted(path for path in self.folder.iterdir() if path.suffix != ".log")

    @property
    def receptions(self) -> Counter[str]:
        """How often each file was received."""
        log = self.folder / "received.log"
        return Counter(log.read_text().split()) if log.exists() else Counter()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def archive(folder: Path, *options: object, port: int = 0) -> Iterator[Archive]:
    """Run dcmtk's storescp.

    Args:
        folder: for its files.
        options: of storescp, e.g. "--abort-during".
        port: to listen on; 0, any.
    """
    program = tool("storescp")
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    note = ["-xcr", f"echo #f >> {folder}/received.log", "-xs"]
    command = [program, *map(str, options), "-aet", "PACS", "-od", str(folder), *note, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process)
        yield Archive(folder, port, process)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[tuple[Destination, str]]:
    """Run Orthanc on the loopback; gives it as a destination, and the address of its REST interface."""
    program = shutil.which("Orthanc")
    if program is None:
        absent("Orthanc is not installed (Debian: orthanc)")
    dicom, http = free_port(), free_port()
    settings = {
        "Name": "test", "StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": [],
        "DicomAet": "PACS", "DicomPort": dicom, "HttpPort": http, "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [program, str(folder / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_port(http, process)
        _wait_for_port(dicom, process)
        yield to_port(dicom), f"http://127.0.0.1:{http}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextlib.contextmanager
def answering(statuses: Sequence[int], sop_classes: Sequence[str]) -> Iterator[int]:
    """A pynetdicom receiver that answers these statuses in turn, the last one for ever; gives its port."""
    from pynetdicom import evt
    from pynetdicom.ae import ApplicationEntity

    left, port = list(statuses), free_port()

    def store(_: object) -> int:
        return left.pop(0) if len(left) > 1 else left[0]

    entity = ApplicationEntity("PACS")
    for sop_class in sop_classes:
        entity.add_supported_context(sop_class)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert server is not None
    try:
        yield port
    finally:
        server.shutdown()


def rest(address: str, body: str | None = None) -> bytes:
    """An answer of Orthanc."""
    data = None if body is None else body.encode()
    with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=30) as answer:
        return bytes(answer.read())


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s:
        assert process.poll() is None, "the receiver ended at its start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the receiver does not listen")
