"""A video file, or a pipe that somebody writes one into, as a live source: newest frame wins.

A pipe whose writer stalls blocks the reader's thread; that the signal is lost, the reader's watch sees by the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.service.frame import Frame
from edge.service.own_source import OwnSource, path_from_where
from edge.service.source_options import SourceOptions

UNTIMED_HZ = 30.0  # rate of a video whose frames carry no time


@dataclass(frozen=True)
class VideoSource(OwnSource):
    """The frames of a video at its own rate.

    Attributes:
        path: a file or a named pipe.
        options: pace and clock.
    """

    path: Path
    options: SourceOptions
    kind: str = "video"
    is_live: bool = True
    reopens: bool = False
    is_screen: bool = True

    def frames(self) -> Iterator[Frame]:
        """Frames at the video's rate, or as fast as they decode.

        Raises:
            ImageError: not a video, or damaged; its good part has been given.
            DeviceError: PyAV is not installed.
        """
        from edge.sources.video import frames_from_video

        started_s = None
        for picture in frames_from_video(self.path):
            started_s = self.options.clock() if started_s is None else started_s
            time_ms = 1e3 * picture.index / UNTIMED_HZ if picture.time_ms is None else picture.time_ms
            started_s += self.options.wait_until(started_s + time_ms / 1e3)
            yield Frame(picture.pixels, picture.index, self.options.clock(), self.kind)


def open_video_source(where: str, options: SourceOptions) -> VideoSource:
    """`video:PATH`.

    Raises:
        UsageError: no path was given.
        ImageError: nothing is there.
    """
    return VideoSource(path_from_where("video", where), options)
