"""Video file -> frames with their time, decoded with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from edge.errors import DeviceError, ImageError
from edge.sources.frame import Frame, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Containers that hold their pictures themselves: a playlist, which could name other files, is not opened.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg"


def frames_from_video(path: Path) -> Iterator[Frame]:
    """Every frame of a video's first picture stream; a damaged file gives its good part, then the error.

    Raises:
        ImageError: not a video, no picture in it, damaged, or a frame size out of bounds.
        DeviceError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DeviceError(
            f"{path} is a video, and PyAV is not installed.", 'Run: pip install "vmamba-edge[video]"'
        ) from error
    index = 0
    try:
        with path.open("rb") as stream, _opened(stream) as container:
            for index, frame in enumerate(_decoded(path, container), 1):
                yield Frame(frame.to_ndarray(format="rgb24"), str(path), index - 1, _time_ms(frame))
    except av.FFmpegError as error:
        raise ImageError(
            f"{path} is damaged after {index} frames: {error.strerror}.", "Export or copy the video again."
        ) from error
    if index == 0:
        raise ImageError(f"{path} holds no frame.", "Export or copy the video again.")


def _opened(stream: BinaryIO) -> Any:
    import av

    return av.open(stream, options={"format_whitelist": CONTAINERS}, metadata_errors="replace")


def _decoded(path: Path, container: Any) -> Iterator[Any]:
    if not container.streams.video:
        raise ImageError(f"{path} holds no picture stream.", "Give a video, not a sound file.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ImageError(f"{path} is coded in a way that is not known here.", "Export it as H.264 in MP4.")
    check_size(path, stream.codec_context.width, stream.codec_context.height)
    for frame in container.decode(stream):
        check_size(path, frame.width, frame.height)  # the size may change inside a stream
        yield frame


def _time_ms(frame: Any) -> float | None:
    return None if frame.time is None else round(frame.time * 1000, 3)
