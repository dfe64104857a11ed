"""VMamba v2 as published (forward type v05 without gate, d_state 1), channels last, published parameter names.

::

    image (B,C,S,S) -> patch_embed /4 -> layers.0 -> layers.1 -> layers.2 -> layers.3 -> classifier
                       two 3x3         VSS blocks, then a 3x3 of stride 2 (not after the last)

In: an image batch. Out: logits and the normalized last map. Every layer works on (B,H,W,dim); the authors'
channels-first form is the same function.

Source: MzeroMiko/VMamba, classification/models/vmamba.py and configs/vssm/vmambav2*_224.yaml; Liu et al., VMamba,
arXiv 2401.10166.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from compile.model.ss2d import SS2D
from compile.model.vss_block import VSSBlock, reset_linear

MLP_RATIO = 4.0  # of every published v2 model


@dataclass(frozen=True)
class VMambaShape:
    """What tells one VMamba v2 from another.

    Attributes:
        dims: channels of the stages.
        depths: blocks of the stages.
        ssm_ratio: d_inner / dim of the scan.
        drop_path: share of images that skip the last block's branches while training, as published.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    ssm_ratio: float
    drop_path: float = field(default=0.0, compare=False)  # the weights do not show it


_TINY, _BASE = (96, 192, 384, 768), (128, 256, 512, 1024)
SHAPES = {  # the suffix is the authors' tag where they published several models of a size
    "vmamba_t": VMambaShape(_TINY, (2, 2, 8, 2), ssm_ratio=1.0, drop_path=0.2),
    "vmamba_s": VMambaShape(_TINY, (2, 2, 15, 2), ssm_ratio=2.0, drop_path=0.3),
    "vmamba_b": VMambaShape(_BASE, (2, 2, 15, 2), ssm_ratio=2.0, drop_path=0.6),
    "vmamba_t_s2l5": VMambaShape(_TINY, (2, 2, 5, 2), ssm_ratio=2.0, drop_path=0.2),
    "vmamba_s_s1l20": VMambaShape(_TINY, (2, 2, 20, 2), ssm_ratio=1.0, drop_path=0.3),
    "vmamba_b_s1l20": VMambaShape(_BASE, (2, 2, 20, 2), ssm_ratio=1.0, drop_path=0.5),
}


class Permute(nn.Module):
    """Reorder axes; holds an index in the published sequences.

    Args:
        axes: the new order.
    """

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Permuted view."""
        return x.permute(self.axes)


def _to_last() -> Permute:
    return Permute(0, 2, 3, 1)


def _to_first() -> Permute:
    return Permute(0, 3, 1, 2)


def _patch_embed(in_channels: int, dim: int) -> nn.Sequential:
    """(B,C,S,S) -> (B,S/4,S/4,dim): the authors' patch embedding v2."""
    return nn.Sequential(
        nn.Conv2d(in_channels, dim // 2, 3, stride=2, padding=1),
        _to_last(),
        nn.LayerNorm(dim // 2),
        _to_first(),
        nn.GELU(),
        nn.Conv2d(dim // 2, dim, 3, stride=2, padding=1),
        _to_last(),
        nn.LayerNorm(dim),
    )


def _downsample(dim: int, dim_out: int) -> nn.Sequential:
    """(B,H,W,dim) -> (B,H/2,W/2,dim_out): the authors' downsampling v3."""
    return nn.Sequential(
        _to_first(), nn.Conv2d(dim, dim_out, 3, stride=2, padding=1), _to_last(), nn.LayerNorm(dim_out)
    )


class Stage(nn.Module):
    """VSS blocks of one width, then the way down.

    Args:
        dim: channels in.
        dim_out: channels out; None for the last stage, which keeps its map.
        ssm_ratio: d_inner / dim of the scan.
        drop_paths: one rate per block, 0..1.
    """

    def __init__(self, dim: int, dim_out: int | None, ssm_ratio: float, drop_paths: list[float]) -> None:
        super().__init__()
        blocks = (VSSBlock(dim, SS2D(dim, ssm_ratio=ssm_ratio), MLP_RATIO, rate) for rate in drop_paths)
        self.blocks = nn.Sequential(*blocks)
        self.downsample = nn.Identity() if dim_out is None else _downsample(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B,H,W,dim) -> (B,H/2,W/2,dim_out)."""
        return self.downsample(self.blocks(x))  # type: ignore[no-any-return]


class Classifier(nn.Module):
    """Norm, mean over the pixels, linear head.

    Args:
        dim: channels.
        classes: number of classes.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B,H,W,dim) -> logits (B,classes), normalized map (B,H,W,dim)."""
        features = self.norm(x)
        return self.head(features.mean(dim=(1, 2))), features


class VMamba(nn.Module):
    """A VMamba v2 classifier with fresh weights.

    Args:
        shape: widths, depths and scan ratio.
        classes: number of classes.
        in_channels: channels of the image.
        drop_path: share of images that skip the last block's branches while training; rises linearly from 0.
    """

    def __init__(self, shape: VMambaShape, classes: int, in_channels: int = 3, drop_path: float = 0.0) -> None:
        super().__init__()
        last = max(1, sum(shape.depths) - 1)
        rates = [drop_path * block / last for block in range(sum(shape.depths))]
        self.patch_embed = _patch_embed(in_channels, shape.dims[0])
        self.layers = nn.ModuleList()
        for dim, dim_out, depth in zip(shape.dims, (*shape.dims[1:], None), shape.depths, strict=True):
            self.layers.append(Stage(dim, dim_out, shape.ssm_ratio, rates[:depth]))
            rates = rates[depth:]
        self.classifier = Classifier(shape.dims[-1], classes)
        self.apply(reset_linear)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: (B,C,S,S) -> logits (B,classes), features (B,S/32,S/32,dim)."""
        x = self.patch_embed(x)
        for stage in self.layers:
            x = stage(x)
        return self.classifier(x)  # type: ignore[no-any-return]


def vmamba_from_name(name: str, classes: int, in_channels: int = 3, drop_path: float | None = None) -> VMamba:
    """Build a published VMamba v2 with fresh weights.

    Args:
        name: a key of `SHAPES`.
        classes: number of classes.
        in_channels: channels of the image.
        drop_path: share of images that skip the last block's branches while training, 0..1; None: the published rate.

    Raises:
        KeyError: no published model has that name.
    """
    shape = SHAPES[name]
    return VMamba(shape, classes, in_channels, shape.drop_path if drop_path is None else drop_path)
