"""YUV4MPEG2, what GStreamer's y4menc and FFmpeg's yuv4mpegpipe write into a pipe: bytes in, gray pictures out; pure.

::

    YUV4MPEG2 W1280 H720 F60:1 Ip C420jpeg\\n   FRAME\\n <planes>   FRAME\\n <planes> ...

Only the luma plane is kept: the plane check looks at gray. Video levels (16..235) are stretched to 0..255.
Source: mjpegtools, yuv4mpeg(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError
from edge.page.frames import MAX_SIDE_PX
from edge.sources.frame import MIN_SIDE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"YUV4MPEG2"
MAX_LINE_BYTES = 256  # of both kinds of lines; usual are 60
CHROMA = {"420": (2, 2), "411": (4, 1), "422": (2, 1), "444": (1, 1), "mono": (0, 0)}  # luma samples a chroma sample
SIDE = re.compile(r"[1-9][0-9]{1,3}")
BLACK, WHITE = 16, 235  # ITU-R BT.601, 8 bits


@dataclass(frozen=True)
class Y4mHead:
    """What the first line says.

    Attributes:
        width_px: MIN_SIDE_PX..MAX_SIDE_PX.
        height_px: the same.
        luma_bytes: of a picture's first plane.
        chroma_bytes: of the others.
        is_full_range: 0..255 already.
    """

    width_px: int
    height_px: int
    luma_bytes: int
    chroma_bytes: int
    is_full_range: bool


def head_from_line(line: bytes) -> Y4mHead:
    """Read the first line.

    Args:
        line: without its end.

    Raises:
        ImageError: it is none, or of a kind that is not known here.
    """
    words = line.decode("latin-1").split(" ")
    if words[0].encode("latin-1") != MAGIC:
        raise _wrong("is no YUV4MPEG2 stream")
    values = {word[0]: word[1:] for word in words[1:] if word and word[0] != "X"}
    width, height = (_side(values.get(name, "")) for name in "WH")
    chroma = _chroma(values.get("C", "420"), width, height)
    return Y4mHead(width, height, width * height, chroma, "XCOLORRANGE=FULL" in words)


def pixels_from_luma(head: Y4mHead, luma: bytearray) -> NDArray[np.uint8]:
    """The gray picture of one FRAME.

    Args:
        head: of the stream.
        luma: the first plane, luma_bytes.

    Returns:
        (H,W), a copy.
    """
    levels = luma[:] if head.is_full_range else luma.translate(STRETCHED)
    return np.frombuffer(levels, np.uint8).reshape(head.height_px, head.width_px)


def _side(text: str) -> int:
    if SIDE.fullmatch(text) is None or not MIN_SIDE_PX <= int(text) <= MAX_SIDE_PX:
        raise _wrong(f"has a side that is not {MIN_SIDE_PX} to {MAX_SIDE_PX} px")
    return int(text)


def _chroma(name: str, width: int, height: int) -> int:
    base = name if name in CHROMA else name[:3]
    is_deep = re.fullmatch(r".+p[0-9]{2}|mono[0-9]+", name) is not None  # 420p10, mono16
    if base not in CHROMA or is_deep:
        raise _wrong("is not of 8 bits, 4:2:0, 4:2:2, 4:1:1, 4:4:4 or mono")
    across, down = CHROMA[base]
    return 2 * (-(-width // across) * -(-height // down)) if across else 0


def _wrong(what: str) -> ImageError:
    return ImageError(f"The pipe's video {what}.", "End the pipeline with: videoconvert ! y4menc (8 bits, 4:2:0).")


def _stretched() -> bytes:
    levels = (np.arange(256, dtype=np.float64) - BLACK) * 255 / (WHITE - BLACK)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8).tobytes()


STRETCHED = _stretched()
