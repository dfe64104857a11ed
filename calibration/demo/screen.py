"""The picture of a demo: images and their poses in, marked frames out.

::

    image --turned, moved--> half size -.- mixed -- x gain x speckle -- doubled -- above the strip with mark and credit

Half the size: the images have 256 px, and a frame must cost a few milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.demo.motion import Pose

if TYPE_CHECKING:
    from PIL.Image import Image

MARK = "DEMO: stored images in motion, not a live scan"
STRIP = 0.08  # share of a frame's height kept for the mark; a network that pads to a square has black there anyway
SPECKLE = 0.10  # standard deviation of the flicker, share of the gray level: what is black stays black
ROOM_PX = 64  # how far the flicker's field can be shifted from frame to frame


@dataclass(frozen=True, eq=False)
class Screen:
    """What every frame of a demo has.

    Attributes:
        blank: (H,W) black, with the mark.
        rows: of it that the picture takes, even.
        grain: (h,w) factors of the flicker, larger than half the picture by ROOM_PX.
    """

    blank: NDArray[np.uint8]
    rows: int
    grain: NDArray[np.float32]

    @property
    def half(self) -> tuple[int, int]:
        """Width and height of half the picture, px."""
        return self.blank.shape[1] // 2, self.rows // 2


def screen_from_size(width: int, height: int, credit: str, rng: np.random.Generator) -> Screen:
    """Draw what stays.

    Args:
        width: of the frames, px, even.
        height: of the frames, px.
        credit: attribution of the images.
        rng: of the flicker.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = 2 * math.floor((1 - STRIP) * height / 2)
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    size = 0.36 * (height - rows)
    for number, (text, ink) in enumerate(((MARK, 215), (credit, 150))):
        font = ImageFont.load_default(size)
        font = ImageFont.load_default(min(size, size * 0.98 * width / max(1.0, font.getlength(text))))
        draw.text((0.01 * width, rows + (0.1 + 0.45 * number) * (height - rows)), text, fill=ink, font=font)
    noise = rng.normal(0, SPECKLE / 2, (rows // 2 + ROOM_PX + 1, width // 2 + ROOM_PX + 1))
    grain = noise[1:, 1:] + noise[1:, :-1] + noise[:-1, 1:] + noise[:-1, :-1]  # sums of four: twice the deviation
    return Screen(np.asarray(image), rows, (1 + grain).astype(np.float32))


def placed(still: Image, pose: Pose, screen: Screen) -> Image:
    """An image in half the picture, its aspect kept; black where it does not reach.

    Args:
        still: gray.
        pose: where it lies.
        screen: of the demo.
    """
    from PIL import Image

    width, height = screen.half
    scale = pose.zoom * min(width / still.width, height / still.height)
    cos, sin = math.cos(pose.turn) / scale, math.sin(pose.turn) / scale
    x, y = width / 2 + pose.right * width, height / 2 + pose.down * height
    turn = (
        cos, sin, still.width / 2 - cos * x - sin * y,
        -sin, cos, still.height / 2 + sin * x - cos * y,
    )  # fmt: skip
    return still.transform(screen.half, Image.Transform.AFFINE, turn, Image.Resampling.BILINEAR)


def frame_from_half(half: Image, gain: float, screen: Screen, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A frame: gain, flicker, full size, mark.

    Args:
        half: what `placed` made.
        gain: factor of gray levels.
        screen: of the demo.
        rng: decides the flicker of this frame.

    Returns:
        (H,W).
    """
    from PIL import Image

    width, height = screen.half
    down, right = rng.integers(0, ROOM_PX, 2)
    levels = np.asarray(half) * (gain * screen.grain[down : down + height, right : right + width])
    picture = Image.fromarray(np.minimum(levels, 255).astype(np.uint8))
    frame: NDArray[np.uint8] = screen.blank.copy()
    frame[: 2 * height, : 2 * width] = np.asarray(picture.resize((2 * width, 2 * height), Image.Resampling.BILINEAR))
    return frame
