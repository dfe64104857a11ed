"""Squares -> training input: what a scanner, a probe and a hand vary, a whole batch at a time.

::

    squares (B,S,S) uint8 -> scale, aspect, rotation, shift, flip -> gain, contrast, TGC, blur, speckle
                          -> text, erasing -> (B,1,P,P)

Text is planted on every class alike, so that a burned-in preset name cannot become a feature. Images are flipped where
the plane allows it: the fetus lies either way round. All numbers are drawn on the CPU: a GPU's input is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

TEXT_SIDE_PX = 96  # side of a rendered block of text, before it is scaled with the image


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the augmentation.

    Attributes:
        area: share of the square's area that a crop shows, lowest and highest.
        aspect: largest change of the aspect ratio, as a factor.
        rotation_deg: largest rotation either way.
        gamma: largest change of contrast, as a factor in the exponent.
        tgc: largest gain along the depth, as a factor.
        speckle: largest standard deviation of multiplicative speckle.
        text: share of images with planted text.
        erase: share of images with an erased rectangle.
    """

    area: tuple[float, float] = (0.45, 1.15)
    aspect: float = 1.15
    rotation_deg: float = 15.0
    gamma: float = 1.5
    tgc: float = 1.6
    speckle: float = 0.15
    text: float = 0.5
    erase: float = 0.4


def augmented(
    squares: Tensor,
    may_flip: Tensor,
    size_px: int,
    text: Tensor,
    augmentation: Augmentation,
    generator: torch.Generator,
) -> Tensor:
    """Augment a batch, on the device where its squares are.

    Args:
        squares: (B,S,S) uint8.
        may_flip: (B,) bool, on the CPU: a mirror image shows the same plane.
        size_px: side of the result, P.
        text: (M,T,T) blocks of text of `text_blocks`, 0..1, on the same device.
        augmentation: ranges.
        generator: source of randomness, on the CPU.

    Returns:
        (B,1,P,P) float32, 0..1.
    """
    x = _warped(squares.unsqueeze(1).float() / 255, may_flip, size_px, augmentation, generator)
    x = _intensity(x, augmentation, generator)
    x = _with_text(x, text, augmentation.text, generator)
    return _erased(x, augmentation.erase, generator)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _warped(
    x: Tensor, may_flip: Tensor, size_px: int, augmentation: Augmentation, generator: torch.Generator
) -> Tensor:
    count = x.shape[0]
    side = _uniform(count, *augmentation.area, generator).sqrt()
    stretch = torch.exp(_uniform(count, -1, 1, generator) * math.log(augmentation.aspect) / 2)
    flip = torch.where((torch.rand(count, generator=generator) < 0.5) & may_flip, -1.0, 1.0)
    angle = _uniform(count, -augmentation.rotation_deg, augmentation.rotation_deg, generator).deg2rad()
    room = (1 - side).abs().clamp(min=0.05)
    shift = torch.stack([_uniform(count, -1, 1, generator) * room for _ in range(2)], dim=1)
    cos, sin = angle.cos(), angle.sin()
    linear = torch.stack(
        [cos * side * stretch * flip, -sin * side / stretch, sin * side * stretch * flip, cos * side / stretch]
    )
    theta = torch.cat([linear.T.reshape(count, 2, 2), shift.unsqueeze(2)], dim=2)
    grid = functional.affine_grid(theta.to(x.device), [count, 1, size_px, size_px], align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _intensity(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    count, _, height, width = x.shape
    gamma = torch.exp(_uniform(count, -1, 1, generator) * math.log(augmentation.gamma)).view(-1, 1, 1, 1)
    gain = _uniform(count, 0.75, 1.3, generator).view(-1, 1, 1, 1)
    knots = torch.exp((torch.rand(count, 1, 5, generator=generator) * 2 - 1) * math.log(augmentation.tgc) / 2)
    curve = functional.interpolate(knots, height, mode="linear", align_corners=True).unsqueeze(3)
    x = x.clamp(min=1e-4).pow(gamma.to(x.device)) * (gain * curve).to(x.device)
    coarse = torch.randn(count, 1, height // 2, width // 2, generator=generator)
    coarse = coarse * _uniform(count, 0, augmentation.speckle, generator).view(-1, 1, 1, 1)
    x = x * (1 + functional.interpolate(coarse.to(x.device), (height, width), mode="bilinear"))
    blurred = functional.avg_pool2d(x, 3, 1, 1)
    weight = (_uniform(count, -0.5, 1, generator)).clamp(min=0).view(-1, 1, 1, 1)
    return torch.lerp(x, blurred, weight.to(x.device)).clamp(0, 1)


def _with_text(x: Tensor, text: Tensor, share: float, generator: torch.Generator) -> Tensor:
    count, _, height, width = x.shape
    for index in torch.nonzero(torch.rand(count, generator=generator) < share).flatten().tolist():
        block = text[int(torch.randint(len(text), (1,), generator=generator))]
        side = int(_uniform(1, 0.15, 0.45, generator) * height)
        scaled = functional.interpolate(block[None, None], (side, side), mode="bilinear", align_corners=False)[0, 0]
        top, left = (int(_uniform(1, 0, room, generator)) for room in (height - side, width - side))
        if torch.rand(1, generator=generator) < 0.6:  # presets stand at the rim
            left = 0 if left < (width - side) / 2 else width - side
        region = x[index, 0, top : top + side, left : left + side]
        torch.maximum(region, scaled, out=region)
    return x


def _erased(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    count, _, height, width = x.shape
    for index in torch.nonzero(torch.rand(count, generator=generator) < share).flatten().tolist():
        h, w = (int(_uniform(1, 0.08, 0.35, generator) * side) for side in (height, width))
        top, left = (int(_uniform(1, 0, room, generator)) for room in (height - h, width - w))
        x[index, 0, top : top + h, left : left + w] = 0
    return x


def text_blocks(count: int, seed: int) -> NDArray[np.float32]:
    """Render blocks of random letters and figures like a scanner's presets.

    Args:
        count: how many, M.
        seed: of the letters.

    Returns:
        (M,T,T), 0..1.
    """
    from PIL import Image, ImageDraw, ImageFont

    rng = np.random.default_rng(seed)
    letters = np.array(list("ABCDEFGHIKLMNOPRSTUVZabcdeghiklmnoprstuz0123456789./-:% "))
    blocks = np.zeros((count, TEXT_SIDE_PX, TEXT_SIDE_PX), np.float32)
    for block in blocks:
        image = Image.new("L", (TEXT_SIDE_PX, TEXT_SIDE_PX))
        draw = ImageDraw.Draw(image)
        size = int(rng.integers(9, 22))
        font = ImageFont.load_default(size)
        for line in range(int(rng.integers(1, 1 + TEXT_SIDE_PX // size))):
            words = "".join(rng.choice(letters, int(rng.integers(2, 12))))
            draw.text((2, line * size), words, fill=int(rng.integers(120, 256)), font=font)
        block[:] = np.asarray(image, np.float32) / 255
    return blocks
