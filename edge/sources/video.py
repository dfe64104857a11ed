"""Video file -> frames with their time, decoded with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from edge.errors import DeviceError, ImageError
from edge.packages import install_cure
from edge.sources.frame import Frame, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Containers that hold their pictures themselves: a playlist, which could name other files, is not opened.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg"
TELLS_LENGTH = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # in the header; of other containers FFmpeg guesses it
CUT_S = 1.0  # before the told end: more than rounded rates and a last frame of unknown length explain


def frames_from_video(path: Path) -> Iterator[Frame]:
    """Every frame of a video's first picture stream, timed from the first; a damaged file gives its good part, then the
    error.

    Raises:
        ImageError: not a video, no picture in it, damaged, cut off, unreadable, or a frame size out of bounds.
        DeviceError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DeviceError(f"{path} is a video, and PyAV is not installed.", install_cure("video")) from error
    index = 0
    try:
        with path.open("rb") as stream, _opened(stream) as container:
            start_s = 0.0  # a recording of a stream begins hours after its clock did
            for index, frame in enumerate(_decoded(path, container), 1):
                start_s = start_s if index > 1 else frame.time or 0.0
                yield Frame(frame.to_ndarray(format="rgb24"), str(path), index - 1, _time_ms(frame, start_s))
    except av.FFmpegError as error:
        raise ImageError(
            f"{path} is damaged after {index} frames: {error.strerror}.", "Export or copy the video again."
        ) from error
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read as a video: {error.strerror}.", "Name a video file that is not empty."
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
    count, end_s = 0, 0.0
    for frame in container.decode(stream):
        check_size(path, frame.width, frame.height)  # the size may change inside a stream
        count += 1
        end_s = (frame.time or 0.0) + float((frame.duration or 0) * (frame.time_base or 0))
        yield frame
    if count:
        _check_end(path, container, count, end_s)


def _check_end(path: Path, container: Any, count: int, end_s: float) -> None:
    """Refuse a file that was cut on its way: FFmpeg takes what is there and says nothing.

    Args:
        path: of the file.
        container: read to its end; one with sound may be longer than its pictures, and is not judged.
        count: frames that were there.
        end_s: of the last one.
    """
    stream = container.streams.video[0]
    told_s = 0.0
    if len(container.streams) == 1 and container.format.name == "avi" and stream.average_rate:
        told_s, end_s = float(stream.frames / stream.average_rate), float(count / stream.average_rate)
    elif len(container.streams) == 1 and container.format.name in TELLS_LENGTH:
        told_s = (container.duration or 0) / 1e6
    if told_s - end_s > CUT_S:
        raise ImageError(
            f"{path} ends after {end_s:.1f} of {told_s:.1f} s: its end is missing.", "Export or copy the video again."
        )


def _time_ms(frame: Any, start_s: float) -> float | None:
    return None if frame.time is None else round((frame.time - start_s) * 1000, 3)
