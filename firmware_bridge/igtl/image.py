"""The content of an IMAGE message -> pixels, where it is one picture of an ultrasound screen or plane.

::

    version u16 | components u8 | scalar u8 | endian u8 | coordinates u8 | size 3 u16 | matrix 12 f32
    | offset 3 u16 | part 3 u16 | pixels, i fastest, then j, then k; components interleaved        big-endian

The pixels are handed on as they lie: i to the right, j down. Source: OpenIGTLink protocol v1, "IMAGE".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from edge.page.frames import MAX_SIDE_PX
from firmware_bridge.igtl.body import BodyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = struct.Struct(">HBBBB3H12f3H3H")
VERSIONS = (1, 2)
UINT8 = 3
COMPONENTS = (1, 3)  # gray, RGB


def pixels_from_content(content: memoryview) -> NDArray[np.uint8]:
    """The picture of an IMAGE message.

    Args:
        content: of a message whose CRC is right.

    Returns:
        (H,W) or (H,W,3), over the same memory.

    Raises:
        BodyError: a volume, a part of a picture, another kind of number, or not as long as it says.
    """
    if len(content) < HEAD.size:
        raise BodyError("an IMAGE is cut off")
    version, components, scalar, _, _, *rest = HEAD.unpack_from(content)
    size, offset, part = rest[:3], rest[15:18], rest[18:21]
    if version not in VERSIONS or scalar != UINT8 or components not in COMPONENTS:
        raise BodyError("an IMAGE is not of 8 bits, gray or RGB")
    if size[2] != 1 or any(offset) or part != size:
        raise BodyError("an IMAGE is a volume, or a part of a picture")
    width, height = size[:2]
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise BodyError(f"an IMAGE has a side of 0 or more than {MAX_SIDE_PX} px")
    if len(content) != HEAD.size + width * height * components:
        raise BodyError("an IMAGE has not as many bytes as its size says")
    pixels = np.frombuffer(content, np.uint8, offset=HEAD.size)
    return pixels.reshape((height, width) if components == 1 else (height, width, 3))
