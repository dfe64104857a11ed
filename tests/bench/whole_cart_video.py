"""A scanner's screen as YUV4MPEG2, 1024x768, 30 frames/s, into a named pipe: a process of its own.

::

    synthetic slideshow --rendered once--> file --this process--> FIFO --> edge bridge video pipe:FIFO

`python -m tests.bench.whole_cart_video FIFO FRAMES`: writes until SIGTERM, then prints how many frames went out whole.
A reader that goes away is waited for; frames of that time are not counted.
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
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FPS = 30
WIDTH_PX, HEIGHT_PX = 1024, 768
LUMA, CHROMA = WIDTH_PX * HEIGHT_PX, WIDTH_PX * HEIGHT_PX // 2
HEAD = f"YUV4MPEG2 W{WIDTH_PX} H{HEIGHT_PX} F{FPS}:1 Ip C420jpeg\n".encode()
RENDERED_HZ = 10  # each rendered frame is shown three times, moved by a pixel: no two in a row are the same


def render(target: Path, hold_s: float, glide_s: float) -> int:
    """One pass of a slideshow of stored images; returns its frames.

    Args:
        target: new file of luma planes.
        hold_s: how long a plane is held.
        glide_s: how long the way to the next one takes.
    """
    from calibration.demo.slideshow import labelled_frames

    with target.open("wb") as stream:
        for count, frame in enumerate(  # noqa: B007
            labelled_frames(0, RENDERED_HZ, hold_s, glide_s, hold_s, WIDTH_PX, HEIGHT_PX), 1
        ):
            stream.write(frame.pixels.tobytes())
    return count


class Writer:
    """The process, and its end of the pipe.

    Attributes:
        process: for signals.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Nothing comes for as long as the block runs."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """How many frames went out whole."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=20)
        return int(json.loads(out)["written"])


@contextmanager
def writing(fifo: Path, frames: Path) -> Iterator[Writer]:
    """The process, until the end of the block."""
    command = [sys.executable, "-m", "tests.bench.whole_cart_video", str(fifo), str(frames)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def main() -> None:
    """Write frames until SIGTERM."""
    fifo, path = sys.argv[1:]
    ends, written, opened = threading.Event(), 0, -1
    signal.signal(signal.SIGTERM, lambda *_: ends.set())
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    chroma = bytes([128]) * CHROMA
    shown: NDArray[np.uint8] = np.memmap(path, np.uint8, "r").reshape(-1, HEIGHT_PX, WIDTH_PX)
    next_s = time.monotonic()
    for number in cycle(range(len(shown) * FPS // RENDERED_HZ)):
        next_s = max(next_s + 1 / FPS, time.monotonic() - 1 / FPS)  # a grabber does not catch up
        if ends.wait(max(0.0, next_s - time.monotonic())):
            break
        if opened < 0 and (opened := _opened(fifo)) < 0:
            continue
        step = FPS // RENDERED_HZ
        luma = np.roll(shown[number // step], number % step, axis=1)
        try:
            _write(opened, b"FRAME\n" + luma.tobytes() + chroma)
            written += 1
        except BrokenPipeError:
            os.close(opened)
            opened = -1
    print(json.dumps({"written": written}))


def _opened(fifo: str) -> int:
    """A descriptor that has been given the head; -1 where nobody reads."""
    with suppress(OSError):
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(descriptor, True)
        _write(descriptor, HEAD)
        return descriptor
    return -1


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
