"""The DICOM bridge as a process of its own, objects with planted text, and the peers that send them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ImageError
from firmware_bridge.dicom.received import name_from_uid
from firmware_bridge.dicom.scanner import Pretended, object_from_pictures
from firmware_bridge.dicom.spool_file import SpoolHead, head_from_file
from tests.firmware_bridge.dicom.programs import tool

WAIT_S = 20.0
BRIDGE = "import typer; from firmware_bridge.dicom.command import dicom; typer.run(dicom)"
PLANTED = 251  # a level that no picture of `picture` has


def picture(number: int, side_px: int = 96) -> NDArray[np.uint8]:
    """Speckle below PLANTED that no other number has."""
    coarse = np.random.default_rng(number).integers(10, 200, (side_px // 4, side_px // 4))
    return coarse.repeat(4, 0).repeat(4, 1).astype(np.uint8)


def planted(number: int, who: Pretended = Pretended(), side_px: int = 96) -> Any:  # noqa: B008  # a frozen value
    """An object whose every pixel outside the ultrasound region is PLANTED."""
    made = object_from_pictures([picture(number, side_px)], who, number)
    pixels = np.frombuffer(made.PixelData, np.uint8).reshape(made.Rows, made.Columns).copy()
    pixels[: made.Rows - side_px] = PLANTED
    made.PixelData = pixels.tobytes()
    return made


def bytes_from_object(made: Any) -> bytes:
    """As a file."""
    from pydicom import dcmwrite

    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def files_of_objects(folder: Path, objects: Sequence[Any]) -> list[Path]:
    """Each in a file."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.dcm" for number in range(len(objects))]
    for file, made in zip(files, objects, strict=True):
        file.write_bytes(bytes_from_object(made))
    return files


def ran(*command: object, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """A program's end."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds, check=False)


@dataclass(frozen=True)
class Receiving:
    """A running bridge.

    Attributes:
        process: of it.
        port: it listens on.
        spool: its folder.
        log: its standard error; a pipe that nobody reads would hold it up.
    """

    process: subprocess.Popen[str]
    port: int
    spool: Path
    log: Path

    def push(self, files: Sequence[Path], *options: object, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """What `storescu` said."""
        return ran(tool("storescu"), *options, "127.0.0.1", self.port, *files, seconds=seconds)

    def echo(self, *options: object) -> tuple[int, float]:
        """Exit code and seconds of `echoscu`."""
        start_s = time.monotonic()
        code = ran(tool("echoscu"), *options, "127.0.0.1", self.port).returncode
        return code, time.monotonic() - start_s

    def waiting(self) -> list[Path]:
        """Files of the spool that hold an object; one that is being written may be among them."""
        found = []
        for path in sorted(self.spool.glob("*.spool")):
            with suppress(FileNotFoundError):  # it was handed on
                if path.stat().st_size:
                    found.append(path)
        return found

    def heads(self, objects: Sequence[Any]) -> list[SpoolHead]:
        """Of those of the objects that wait, in their order."""
        return self.heads_of([name_from_uid(made.SOPInstanceUID) for made in objects])

    def heads_of(self, names: Sequence[str]) -> list[SpoolHead]:
        """The same by their names."""
        found = {}
        for path in self.waiting():
            with suppress(ImageError, OSError):  # it is being written, or was handed on
                head = head_from_file(path)[0]
                found[head.name] = head
        return [found[name] for name in names if name in found]

    def settled(self) -> list[str]:
        """What became of the objects that left the spool."""
        log = self.spool / "settled.log"
        return [line.split()[2] for line in log.read_text().splitlines()] if log.exists() else []

    def wait_settled(self, count: int) -> list[str]:
        """The words of so many objects."""
        deadline = time.monotonic() + WAIT_S
        while len(self.settled()) < count:
            assert time.monotonic() < deadline, (self.settled(), self.waiting())
            time.sleep(0.05)
        return self.settled()

    def wait_empty(self) -> None:
        """Until no file holds an object: the log names a settled one a moment before its file goes."""
        deadline = time.monotonic() + WAIT_S
        while waiting := self.waiting():
            assert time.monotonic() < deadline, waiting
            time.sleep(0.05)

    def logged(self, event: str) -> list[Any]:
        """Lines of its log."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [line for line in map(json.loads, whole.splitlines()) if line["event"] == event]

    def wait_logged(self, event: str) -> None:
        """Until its log has such a line."""
        deadline = time.monotonic() + WAIT_S
        while not self.logged(event):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> Any:
        """Its counts; None where it was killed."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=WAIT_S)
        err = self.log.read_text()
        assert "Traceback" not in err, err
        return json.loads(out) if out else None


@contextmanager
def receiving(folder: Path, socket: Path, *options: object, wrapper: Sequence[str] = ()) -> Iterator[Receiving]:
    """Start `edge bridge dicom` on a free port.

    Args:
        folder: of the spool.
        socket: of the plane check.
        options: of the command.
        wrapper: a command that starts it.
    """
    arguments = ("--socket", socket, "--port", 0, "--spool", folder, *options, "--json")
    command = [*wrapper, sys.executable, "-c", BRIDGE, *(str(argument) for argument in arguments)]
    log = folder.with_name(f"{folder.name}.log")
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Receiving(process, json.loads(line)["port"], folder, log)
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)
