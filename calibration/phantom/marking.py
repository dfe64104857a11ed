"""How phantoms are told from patients, everywhere: in the picture, in the file, in the table, in a trained model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Sample
from calibration.phantom.scanner import Scanner, Settings

TEXT = "SYNTHETIC PHANTOM"
DATASET = "phantom"  # in the column "dataset"; whatever has such a row is synthetic
STRIP = 0.09  # share of a frame's height that is kept free for text
HEAD_BYTES = 512  # of a PNG: its texts stand behind 33 bytes of size and depth
SIDE = 0.05  # share of its width that is kept free for the ruler and the gray bar, either side


def says_phantom(path: Path) -> bool:
    """Whether a PNG names itself a phantom: of a set whose table was left behind that is what is left."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:  # whoever reads the picture is told
        return False
    return head.startswith(b"\x89PNG") and TEXT.encode() in head


def is_synthetic(samples: Iterable[Sample]) -> bool:
    """Whether any of these images is a phantom: a model that saw one is synthetic."""
    return any(sample.dataset == DATASET for sample in samples)


def picture_size(scanner: Scanner, height: int, width: int) -> tuple[int, int]:
    """Height and width that a frame's margins leave to the sector, px."""
    return round(height * (1 - STRIP)), round(width * (1 - 2 * SIDE))


def margins_from_settings(settings: Settings, mm_per_px: float, height: int, width: int) -> NDArray[np.uint8]:
    """A frame without its sector: the marking, the scanner's name, a ruler and a gray bar.

    Args:
        settings: of the scanner.
        mm_per_px: scale of the sector.
        height: of the frame, px.
        width: of the frame, px.

    Returns:
        (H,W).
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(9.0, 0.045 * height))
    at_top = settings.scanner.header >= 0.5
    baseline = round((0.005 if at_top else 1 - 0.065) * height)
    draw.text((round(0.02 * width), baseline), TEXT, fill=230, font=font)
    said = f"{settings.scanner.name.removeprefix('Phantom ')}  {settings.depth_mm / 10:.1f} cm"
    draw.text((width - round(0.02 * width), baseline), said, fill=150, font=font, anchor="ra")
    for number in range(int(settings.depth_mm // 10) + 1):
        y = top_px(settings.scanner, height) + number * 10 / mm_per_px
        draw.line((width - (0.03 if number % 5 else 0.04) * width, y, width - 0.015 * width, y), fill=170)
    bar = np.linspace(255, 0, height // 3).astype(np.uint8)[:, None].repeat(max(2, width // 60), 1)
    image.paste(Image.fromarray(bar), (round(0.012 * width), round(0.2 * height)))
    return np.array(image)


def top_px(scanner: Scanner, height: int) -> int:
    """Where the sector's part of a frame begins, px from its top."""
    return round(height * STRIP * scanner.header)
