"""The students: convolutions where maps are large, VSS blocks where they are small.

::

    frame (B,C,S,S) -> stem /4 -> stage 1 /4 -> stage 2 /8 -> stage 3 /16 -> stage 4 /32 -> norm -> mean -> head
                       conv+BN    inverted residuals (NCHW)    VSS blocks (NHWC), two routes a block
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from compile.model.ss2d import SS2D, DepthwiseMixer
from compile.model.vss_block import DropPath, VSSBlock, reset_linear

ROUTE_PAIRS = ((0, 2), (1, 3))  # blocks alternate: rows both ways, columns both ways


@dataclass(frozen=True)
class StudentShape:
    """Widths and depths of a student.

    Attributes:
        dims: channels of the four stages.
        depths: blocks of the four stages.
        mlp_ratio: hidden channels of the VSS blocks' MLP / dim.
        expansion: hidden channels of the inverted residuals / dim.
    """

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    mlp_ratio: float
    expansion: int = 3


SHAPES = {
    "edge_n": StudentShape((48, 96, 192, 384), (2, 2, 4, 2), mlp_ratio=2.0),
    "edge_s": StudentShape((64, 128, 256, 512), (2, 2, 5, 2), mlp_ratio=3.0),
}


class ConvBN(nn.Sequential):
    """Convolution without bias, batch normalisation, and ReLU if asked; "same" padding."""

    def __init__(
        self, dim_in: int, dim_out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        conv = nn.Conv2d(dim_in, dim_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(dim_out), *([nn.ReLU()] if relu else []))


class InvertedResidual(nn.Module):
    """x + (1x1 widen, depthwise 3x3, 1x1 narrow).

    Source: Sandler et al., MobileNetV2, arXiv 1801.04381, section 3.3.
    """

    def __init__(self, dim: int, expansion: int, drop_path: float) -> None:
        super().__init__()
        hidden = dim * expansion
        self.conv = nn.Sequential(
            ConvBN(dim, hidden, 1), ConvBN(hidden, hidden, 3, groups=hidden), ConvBN(hidden, dim, 1, relu=False)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B,dim,H,W) -> (B,dim,H,W)."""
        return x + self.drop_path(self.conv(x))  # type: ignore[no-any-return]


class Student(nn.Module):
    """A student classifier.

    Args:
        shape: widths and depths.
        classes: number of classes.
        in_channels: channels of the input.
        scan: False for the control with a depthwise 7x7 in the scan's place.
        drop_path: share of images that skip a branch in the last block; rises linearly from 0.
    """

    def __init__(
        self, shape: StudentShape, classes: int, in_channels: int = 1, scan: bool = True, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        dims, total = shape.dims, sum(shape.depths)
        rates = [drop_path * index / (total - 1) for index in range(total)]
        starts = [sum(shape.depths[:stage]) for stage in range(5)]
        self.stem = nn.Sequential(
            ConvBN(in_channels, dims[0] // 2, 3, 2), ConvBN(dims[0] // 2, dims[0], 3, 2, relu=False)
        )
        self.downsamples = nn.ModuleList(ConvBN(a, b, 3, 2, relu=False) for a, b in pairwise(dims))
        stages: list[nn.Module] = []
        for stage in range(4):
            block_rates = rates[starts[stage] : starts[stage + 1]]
            if stage < 2:
                blocks: list[nn.Module] = [InvertedResidual(dims[stage], shape.expansion, rate) for rate in block_rates]
            else:
                blocks = _vss_blocks(dims[stage], shape.mlp_ratio, block_rates, scan)
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.norm = nn.LayerNorm(dims[-1])
        self.head = nn.Linear(dims[-1], classes)
        self.apply(reset_linear)

    def stage_maps(self, x: Tensor) -> list[Tensor]:
        """The four stages' maps: (B,C,S,S) -> (B,dim,S/4,S/4) ... (B,dim,S/32,S/32)."""
        maps = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index:
                x = self.downsamples[index - 1](x)
            x = stage(x) if index < 2 else stage(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: (B,C,S,S) -> logits (B,classes), features (B,S/32,S/32,dim)."""
        features = self.norm(self.stage_maps(x)[-1].permute(0, 2, 3, 1))
        return self.head(features.mean(dim=(1, 2))), features


def _vss_blocks(dim: int, mlp_ratio: float, rates: Sequence[float], scan: bool) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for index, rate in enumerate(rates):
        op = SS2D(dim, routes=ROUTE_PAIRS[index % 2]) if scan else DepthwiseMixer(dim)
        blocks.append(VSSBlock(dim, op, mlp_ratio, rate))
    return blocks


def student_from_name(name: str, classes: int, in_channels: int = 1, drop_path: float = 0.0) -> Student:
    """Build a student with fresh weights.

    Args:
        name: "edge_n", "edge_s" or one of them with "_noscan".
        classes: number of classes.
        in_channels: channels of the input.
        drop_path: share of images that skip the last block's branches while training, 0..1.

    Raises:
        KeyError: no student has that name.
    """
    shape = SHAPES[name.removesuffix("_noscan")]
    return Student(shape, classes, in_channels, scan=not name.endswith("_noscan"), drop_path=drop_path)
