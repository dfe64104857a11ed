"""Live sources that only the bridge has: a named pipe, and a GStreamer pipeline in a process of its own.

::

    pipe:PATH       somebody writes YUV4MPEG2 into a named pipe; "-" is standard input
    gst:PIPELINE    gst-launch-1.0 PIPELINE ! videoconvert ! y4menc ! fdsink, ended and started again where it stalls

Both are a scanner's screen: cut to the region, or to the fan.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DeviceError, UsageError
from edge.service.frame import Frame
from edge.service.own_source import OwnSource
from edge.service.source_options import SourceOptions
from firmware_bridge.video.pipe import Pipe
from firmware_bridge.video.y4m import MAGIC, MAX_LINE_BYTES, head_from_line, pixels_from_luma

SILENCE_S = 5.0  # then the writer is taken for dead: a lost signal is told long before
GST = "gst-launch-1.0"
TAIL = ("!", "videoconvert", "!", "video/x-raw,format=I420", "!", "y4menc", "!", "fdsink", "fd=1", "sync=false")
END_S = 2.0
SAID_LINES, GST_FAULTS = 64, ("ERROR", "WARNING")  # an error before a warning
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class PipeSource(OwnSource):
    """Frames of a named pipe as they come.

    Attributes:
        where: its path, or "-".
        options: the clock.
        stop: set when the bridge ends.
        silence_s: as in `Pipe`.
    """

    where: str
    options: SourceOptions
    stop: threading.Event
    silence_s: float = SILENCE_S
    kind: str = "video"
    is_live: bool = True
    is_screen: bool = True

    @property
    def reopens(self) -> bool:
        """A pipe may find another writer; standard input has only one."""
        return self.where != STANDARD_INPUT

    def frames(self) -> Iterator[Frame]:
        """Frames until the writer goes away.

        Raises:
            DeviceError: nobody writes, or not any more.
            ImageError: what comes is no YUV4MPEG2 of 8 bits.
        """
        with _opened(self.where) as descriptor:
            yield from frames_from_pipe(Pipe(descriptor, self.silence_s, self.stop), self.options, self.kind)


@dataclass(frozen=True)
class GstSource(OwnSource):
    """Frames of a GStreamer pipeline.

    Attributes:
        words: of the pipeline, without its end.
        options: the clock.
        stop: set when the bridge ends.
        silence_s: as in `Pipe`.
    """

    words: tuple[str, ...]
    options: SourceOptions
    stop: threading.Event
    silence_s: float = SILENCE_S
    kind: str = "video"
    is_live: bool = True
    reopens: bool = True
    is_screen: bool = True

    def frames(self) -> Iterator[Frame]:
        """Frames until the pipeline ends or stalls; then its process is ended.

        Raises:
            DeviceError: GStreamer is not installed, or the pipeline gives nothing.
            ImageError: what comes is no YUV4MPEG2 of 8 bits.
        """
        program = shutil.which(GST)
        if program is None:
            raise DeviceError(f"{GST} is not installed.", "apt install gstreamer1.0-tools gstreamer1.0-plugins-good")
        command = [*_tied(), program, "-q", *self.words, *TAIL]
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
        with subprocess.Popen(command, stdin=nothing, stdout=pipe, stderr=pipe) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            said = deque[bytes](maxlen=SAID_LINES)
            listener = threading.Thread(target=said.extend, args=(process.stderr,), name="gst", daemon=True)
            listener.start()
            video = Pipe(process.stdout.fileno(), self.silence_s, self.stop)
            try:
                yield from frames_from_pipe(video, self.options, self.kind)
            except DeviceError as error:
                _end(process)
                listener.join(END_S)
                raise _gst_error(list(said), error) from error
            finally:
                _end(process)


def frames_from_pipe(pipe: Pipe, options: SourceOptions, kind: str) -> Iterator[Frame]:
    """Frames of a YUV4MPEG2 stream as they come; a head in the middle of it begins another size.

    Raises:
        DeviceError: the writer went away or has stalled.
        ImageError: it is no such stream.
    """
    line, index = pipe.line(MAX_LINE_BYTES), 0
    while True:
        head = head_from_line(line)
        luma, chroma = bytearray(head.luma_bytes), bytearray(head.chroma_bytes)
        while (line := pipe.line(MAX_LINE_BYTES)).startswith(b"FRAME"):
            pipe.fill(luma)
            pipe.fill(chroma)
            yield Frame(pixels_from_luma(head, luma), index, options.clock(), kind)
            index += 1
        if not line.startswith(MAGIC):
            raise DeviceError("The pipe's video is damaged.", "Look at the program that writes it.")


def open_pipe_source(where: str, options: SourceOptions, stop: threading.Event) -> PipeSource:
    """`pipe:PATH`, `pipe:-`. A pipe that is not there may be made later.

    Raises:
        UsageError: no path was given, or it is no pipe.
    """
    if not where:
        raise UsageError("The source 'pipe' needs a path.", "Write pipe:PATH, or pipe:- for standard input.")
    if where != STANDARD_INPUT and Path(where).exists() and not stat.S_ISFIFO(Path(where).stat().st_mode):
        raise UsageError(f"{where} is no named pipe.", "Make one with mkfifo; a file is read by video:PATH.")
    return PipeSource(where, options, stop)


def open_gst_source(where: str, options: SourceOptions, stop: threading.Event) -> GstSource:
    """`gst:PIPELINE`, e.g. gst:v4l2src device=/dev/video0.

    Raises:
        UsageError: there is no pipeline, or its quotes are not closed.
    """
    try:
        words = tuple(shlex.split(where))
    except ValueError as error:
        raise UsageError(f"The pipeline cannot be read: {error}.", "Close its quotes.") from error
    if not words:
        raise UsageError("The source 'gst' needs a pipeline.", "Write e.g. 'gst:v4l2src device=/dev/video0'.")
    return GstSource(words, options, stop)


@contextmanager
def _opened(where: str) -> Iterator[int]:
    """A descriptor; opening a named pipe does not wait for a writer, since nothing could interrupt that."""
    if where == STANDARD_INPUT:
        yield 0
        return
    try:
        descriptor = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DeviceError(f"The pipe {where} cannot be opened: {error.strerror}.", f"mkfifo {where}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _tied() -> tuple[str, ...]:
    """Words before a command that end it with the thread that started it: a stalled orphan would keep the grabber."""
    setpriv = shutil.which("setpriv")  # util-linux; where it is missing the unit's control group does it
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()


def _gst_error(said: Sequence[bytes], error: DeviceError) -> DeviceError:
    """What GStreamer said first of what is wrong; it knows more than its pipe."""
    lines = [line.decode("utf-8", "replace").strip() for line in said]
    reasons = [line.partition(": ")[2] for fault in GST_FAULTS for line in lines if line.startswith(f"{fault}: ")]
    if not reasons:
        return error
    cause = f"GStreamer: {reasons[0].removesuffix('.')}."
    return DeviceError(cause, f"Try the pipeline with {GST}; look at the device and its cable.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
