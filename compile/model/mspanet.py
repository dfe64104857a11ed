"""MSPANet: a ResNet whose bottleneck splits its 3x3 into three scales that attention weighs against each other.

::

    1x1 -> split in 3 -> hierarchical 3x3 convolutions --+--> x --> join -> 1x1 -> + input
                         pyramid means -> 1x1 -> 1x1 ----+--> softmax over the scales

In: an image batch. Out: logits and the last map, channels last. Written anew after the authors' published
definition (widths of 30/64, three scales, reduction 16).

Source: Yu et al., Multi-scale spatial pyramid attention mechanism for image recognition, Engineering Applications of
Artificial Intelligence 133, 108261 (2024); ndsclark/MSPANet, ImageNet/mspanet.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from compile.model.vss_block import DropPath

SCALES = 3
BASE_WIDTH = 30  # channels of a scale in 64ths of the stage's width
REDUCTION = 16  # of the attention's hidden layer
EXPANSION = 4
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # width and blocks: ResNet-50's
DEPTH = sum(blocks for _, blocks in STAGES)


class PyramidAttention(nn.Module):
    """Weights of a scale's channels from its mean and the means of its four quarters (SPR module).

    Args:
        dim: channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim * 5, dim // REDUCTION, 1)
        self.fc2 = nn.Conv2d(dim // REDUCTION, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B,dim,H,W) with H and W at least 2 -> (B,dim,1,1), 0..1."""
        height, width = x.shape[2:]
        quarters = functional.avg_pool2d(x, (-(-height // 2), -(-width // 2)), (height // 2, width // 2))
        means = torch.cat([x.mean((2, 3), keepdim=True), quarters.reshape(-1, 4 * x.shape[1], 1, 1)], 1)
        return torch.sigmoid(self.fc2(functional.relu(self.fc1(means))))


class MultiScale(nn.Module):
    """Hierarchical convolutions over three groups of channels (HPC module), weighed by attention.

    Args:
        dim: channels of one scale.
        stride: of the convolutions.
        first: the first block of a stage.
    """

    def __init__(self, dim: int, stride: int, first: bool) -> None:
        super().__init__()
        self.dim = dim
        self.separate = first and stride != 1  # then the scales differ by dilation instead of by depth
        dilations = [1 + scale if self.separate else 1 for scale in range(SCALES)]
        self.convs = nn.ModuleList(
            nn.Conv2d(dim, dim, 3, stride, padding=dilation, dilation=dilation, bias=False) for dilation in dilations
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(dim) for _ in range(SCALES))
        self.attention = PyramidAttention(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B,3*dim,H,W) -> (B,3*dim,H/stride,W/stride)."""
        maps: list[Tensor] = []
        for part, conv, norm in zip(torch.split(x, self.dim, 1), self.convs, self.norms, strict=True):
            maps.append(norm(conv(part if self.separate or not maps else maps[-1] + part)))
        weights = torch.softmax(torch.stack([self.attention(scale) for scale in maps], 1), 1)
        return torch.cat([scale * weights[:, index] for index, scale in enumerate(maps)], 1)


class Bottleneck(nn.Module):
    """1x1, three scales, 1x1, added to the input.

    Args:
        dim_in: channels in.
        dim: width of the stage; 4 * dim channels go out.
        stride: of the block.
        first: the first block of a stage, which projects its input.
        drop_path: share of images that skip the branch while training, 0..1.
    """

    def __init__(self, dim_in: int, dim: int, stride: int, first: bool, drop_path: float) -> None:
        super().__init__()
        width, out = dim * BASE_WIDTH // 64, dim * EXPANSION
        self.conv1 = nn.Conv2d(dim_in, width * SCALES, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width * SCALES)
        self.conv2 = MultiScale(width, stride, first)
        self.bn2 = nn.BatchNorm2d(width * SCALES)
        self.conv3 = nn.Conv2d(width * SCALES, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(dim_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            if first
            else nn.Identity()
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B,dim_in,H,W) -> (B,4*dim,H/stride,W/stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.drop_path(self.bn3(self.conv3(y))) + self.downsample(x))


class MSPANet(nn.Module):
    """MSPANet-50 with fresh weights.

    Args:
        classes: number of classes.
        in_channels: channels of the image; its sides are at least 64 px.
        drop_path: share of images that skip the last block's branch while training; rises linearly from 0.
    """

    def __init__(self, classes: int, in_channels: int = 3, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layers = nn.ModuleList()
        dim_in, done = 64, 0
        for stage, (dim, count) in enumerate(STAGES):
            blocks = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Bottleneck(dim_in, dim, stride, not index, drop_path * done / (DEPTH - 1)))
                dim_in, done = dim * EXPANSION, done + 1
            self.layers.append(nn.Sequential(*blocks))
        self.fc = nn.Linear(dim_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: (B,C,S,S) -> logits (B,classes), features (B,S/32,S/32,2048)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        for stage in self.layers:
            x = stage(x)
        return self.fc(x.mean((2, 3))), x.permute(0, 2, 3, 1)
