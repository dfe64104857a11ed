"""Synthetic frames that are no plane at all: what a scanner shows between planes, and what is no ultrasound.

They teach the reject label together with the real non-standard images. Each kind is drawn from a seeded generator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def negative_squares(
    count: int, size_px: int, real: NDArray[np.uint8], text: NDArray[np.float32], seed: int
) -> NDArray[np.uint8]:
    """Draw frames without a plane.

    Args:
        count: how many.
        size_px: side, S.
        real: (M,S,S) real squares, which are cut into texture.
        text: (T,t,t) blocks of text, 0..1.
        seed: of the drawing.

    Returns:
        (count,S,S), 0..255.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros((count, size_px, size_px), np.uint8)
    for index in range(count):
        kind = index % 7
        if kind == 0:
            square = _noise(rng, size_px)
        elif kind == 1:
            square = _empty_sector(rng, size_px)
        elif kind == 2:
            square = _menu(rng, size_px, text)
        elif kind == 3:
            square = _shapes(rng, size_px)
        elif kind == 4:
            square = _scene(rng, size_px)
        elif kind == 5:
            square = _shuffled(rng, real[rng.integers(len(real))])
        else:
            square = _texture(rng, real[rng.integers(len(real))])
        out[index] = np.clip(square * rng.uniform(0.5, 1.2) + rng.uniform(-0.1, 0.1), 0, 1) * 255
    return out


def _field(rng: np.random.Generator, size_px: int, exponent: float) -> NDArray[np.float64]:
    frequency = np.hypot(np.fft.fftfreq(size_px)[:, None], np.fft.rfftfreq(size_px)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((size_px, size_px))) * frequency**-exponent
    field = np.fft.irfft2(spectrum, (size_px, size_px))
    low, high = np.percentile(field, [1, 99])
    return np.asarray(np.clip((field - low) / (high - low + 1e-9), 0, 1))


def _noise(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    return _field(rng, size_px, rng.uniform(0, 0.6)) * rng.uniform(0.2, 1)


def _scene(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    # Photographs: a 1/f spectrum, some with hard edges.
    scene = _field(rng, size_px, rng.uniform(0.9, 1.8))
    return scene if rng.random() < 0.5 else np.round(scene * 6) / 6


def _empty_sector(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    # A probe in air: reverberation bands that die away, inside a fan or a rectangle.
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px - np.array([0.0, 0.5])[:, None, None]
    depth = np.hypot(y + 0.1, x) - 0.1
    bands = np.exp(-depth * rng.uniform(3, 12)) * (0.6 + 0.4 * np.cos(depth * rng.uniform(20, 120)))
    fan = (np.abs(np.arctan2(x, y + 0.1)) < rng.uniform(0.4, 0.9)) & (depth < rng.uniform(0.7, 1.0))
    return np.asarray((bands + _field(rng, size_px, 0.5) * rng.uniform(0, 0.35)) * fan)


def _menu(rng: np.random.Generator, size_px: int, text: NDArray[np.float32]) -> NDArray[np.float64]:
    screen = np.full((size_px, size_px), rng.uniform(0, 0.5))
    side = text.shape[1]
    for _ in range(rng.integers(2, 9)):
        top, left = rng.integers(0, size_px - side, 2)
        patch = screen[top : top + side, left : left + side]
        patch[:] = rng.uniform(0, 1) if rng.random() < 0.3 else patch
        np.maximum(patch, text[rng.integers(len(text))], out=patch)
    return screen


def _shapes(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    image: NDArray[np.float64] = np.full((size_px, size_px), rng.uniform(0, 0.6)) + x * rng.uniform(-0.4, 0.4)
    for _ in range(rng.integers(1, 8)):
        cy, cx, ry, rx = *rng.uniform(0, 1, 2), *rng.uniform(0.03, 0.4, 2)
        inside = (
            ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
            if rng.random() < 0.5
            else (abs(y - cy) < ry) & (abs(x - cx) < rx)
        )
        image[inside] = rng.uniform(0, 1)
    return image


def _shuffled(rng: np.random.Generator, real: NDArray[np.uint8]) -> NDArray[np.float64]:
    parts = int(rng.choice([4, 7, 8]))
    side = real.shape[0] // parts
    tiles = (
        real[: side * parts, : side * parts].reshape(parts, side, parts, side).swapaxes(1, 2).reshape(-1, side, side)
    )
    tiles = tiles[rng.permutation(len(tiles))].reshape(parts, parts, side, side).swapaxes(1, 2)
    return np.pad(tiles.reshape(side * parts, side * parts) / 255, (0, real.shape[0] - side * parts))


def _texture(rng: np.random.Generator, real: NDArray[np.uint8]) -> NDArray[np.float64]:
    # Tissue so close that no anatomy is left.
    from PIL import Image

    size_px = real.shape[0]
    side = int(size_px * rng.uniform(0.1, 0.2))
    top, left = rng.integers(size_px // 4, 3 * size_px // 4 - side, 2)
    crop = Image.fromarray(real[top : top + side, left : left + side])
    return np.asarray(crop.resize((size_px, size_px), Image.Resampling.BICUBIC), np.float64) / 255
