"""Drawn pictures for the scripted plane check: a fan of gray with a number in it, the same for the same arguments."""

from __future__ import annotations

import functools
import io
import math

from PIL import Image, ImageDraw, ImageFont

SIZE_PX = (640, 480)
TOP = (320, -60)


@functools.lru_cache(64)
def jpeg_of(title: str, number: int) -> bytes:
    """A gray fan whose bright spot moves with the number."""
    picture = _fan(number)
    ImageDraw.Draw(picture).text((16, 16), f"TEST PICTURE {title} {number}", 230, ImageFont.load_default(20))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return stream.getvalue()


@functools.lru_cache(8)
def map_png(title: str, number: int) -> bytes:
    """The same fan with a warm spot."""
    picture = Image.merge("RGB", [_fan(number)] * 3)
    x, y = _spot(number)
    warm = Image.new("L", SIZE_PX, 0)
    ImageDraw.Draw(warm).ellipse((x - 90, y - 70, x + 90, y + 70), 120)
    picture.paste(Image.new("RGB", SIZE_PX, (255, 120, 0)), mask=warm)
    ImageDraw.Draw(picture).text((16, 440), f"map: {title} {number}", (255, 255, 255), ImageFont.load_default(20))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _fan(number: int) -> Image.Image:
    picture = Image.new("L", SIZE_PX, 8)
    pen = ImageDraw.Draw(picture)
    for step in range(12):
        radius = 520 - 30 * step
        box = (TOP[0] - radius, TOP[1] - radius, TOP[0] + radius, TOP[1] + radius)
        pen.pieslice(box, 50, 130, 40 + 5 * (step % 4))
    pen.pieslice((TOP[0] - 130, TOP[1] - 130, TOP[0] + 130, TOP[1] + 130), 50, 130, 8)
    x, y = _spot(number)
    pen.ellipse((x - 70, y - 50, x + 70, y + 50), 110, 200, 4)
    return picture


def _spot(number: int) -> tuple[float, float]:
    return 320 + 90 * math.sin(number / 15), 280 + 40 * math.cos(number / 21)
