"""Where frames come from: a text like `video:PATH` in, an open source out.

::

    folder:PATH   image, DICOM and video files, one after the other; single pictures are stills
    video:PATH    one video file or pipe, at its own rate
    camera:/dev/video0
    bridge:NAME   none of its own: the frames that a bridge sends over the socket (NAME: video, openigtlink, dicom)
    NAME:WHERE    an entry point of the group "edge.frame_sources": function(where, options) -> Source; e.g. `demo`

A source only makes frames; `frames_of` cuts them to what may be kept. The reader drives it in a thread and tells lost
and frozen signals, so a source may block, and may end with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Protocol

from edge.service.bridge_source import open_bridge_source
from edge.service.camera_source import open_camera_source
from edge.service.folder_source import open_folder_source
from edge.service.frame import Frame
from edge.service.plugins import factory_from_text
from edge.service.roi import HeldRoi, Roi, cut_frames, fan_frames
from edge.service.source_options import SourceOptions
from edge.service.video_source import open_video_source

ENTRY_POINTS = "edge.frame_sources"


class Source(Protocol):
    """A context manager that gives frames."""

    @property
    def kind(self) -> str:
        """Its name in the text, e.g. "camera"; lower-case letters only, since it stands in logs and metrics."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether frames must keep coming: only then a pause is a lost signal and a standing picture a frozen one."""
        ...

    @property
    def reopens(self) -> bool:
        """Whether opening it again may help after it ended or failed (a camera that was unplugged)."""
        ...

    @property
    def is_screen(self) -> bool:
        """Whether its frames are a scanner's whole screen, with a name on it perhaps: they are cut to the fan."""
        ...

    @property
    def credit(self) -> str:
        """Attribution of a demo's images; "" for frames of the user's own."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def frames(self) -> Iterator[Frame]:
        """Frames until the source ends; the box of frames replaces their sequence numbers.

        Raises:
            EdgeError: it cannot go on.
        """
        ...


OWN_SOURCES: Mapping[str, Callable[[str, SourceOptions], Source]] = {
    "folder": open_folder_source,
    "video": open_video_source,
    "camera": open_camera_source,
    "bridge": open_bridge_source,
}


def open_source(text: str, options: SourceOptions) -> Source:
    """Make a source; nothing is read before its `frames`.

    Args:
        text: as in the module's picture.
        options: for every kind of source.

    Raises:
        UsageError: no source has that name, or it lacks its place.
        InputError: its file or folder is not there.
        DeviceError: its device or a package is not there.
    """
    factory, where = factory_from_text(text, "source", OWN_SOURCES, ENTRY_POINTS)
    source: Source = factory(where, options)
    return source


def check_source(text: str) -> None:
    """Refuse a text that names no source; nothing is made.

    Raises:
        UsageError: no source has that name.
        DeviceError: a package that it needs is not there.
    """
    factory_from_text(text, "source", OWN_SOURCES, ENTRY_POINTS)


def frames_of(source: Source, roi: Roi | HeldRoi | None) -> Iterator[Frame]:
    """A source's frames, cut to what may be kept of them.

    Args:
        source: an open one.
        roi: given by the user, for the frames of any source; a held one keeps its size of frames from one opening to
            the next; None: the fan of a screen, other frames whole.

    Raises:
        EdgeError: the source cannot go on, no fan was found, the region reaches beyond a frame, or a frame has not
            the region's size.
    """
    if roi is not None:
        return cut_frames(source.frames(), roi)
    if source.is_screen:
        return fan_frames(source.frames(), (lambda frame: frame.captured_s) if source.reopens else None)
    return source.frames()
