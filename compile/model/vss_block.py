"""VSSBlock: a token mixer and an MLP, each behind a LayerNorm and added to its input, channels last."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DropPath(nn.Module):
    """Leave out a residual branch, an image at a time, while training.

    Args:
        rate: share of images, 0..1.

    Source: Huang et al., Deep Networks with Stochastic Depth, arXiv 1603.09382.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop and rescale: (B,...) -> (B,...)."""
        if not self.training or self.rate == 0.0:
            return x
        kept = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device) >= self.rate
        return x * kept.to(x.dtype) / (1.0 - self.rate)


class Mlp(nn.Module):
    """fc1 -> GELU -> fc2.

    Args:
        dim: channels in and out.
        ratio: hidden channels / dim.
    """

    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, int(dim * ratio))
        self.fc2 = nn.Linear(int(dim * ratio), dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B,H,W,dim) -> (B,H,W,dim)."""
        return self.fc2(functional.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class VSSBlock(nn.Module):
    """x + op(norm(x)), then x + mlp(norm2(x)).

    Args:
        dim: channels.
        op: the token mixer, (B,H,W,dim) -> (B,H,W,dim).
        mlp_ratio: hidden channels of the MLP / dim.
        drop_path: share of images that skip a branch while training, 0..1.
    """

    def __init__(self, dim: int, op: nn.Module, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = op
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B,H,W,dim) -> (B,H,W,dim)."""
        x = x + self.drop_path(self.op(self.norm(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


def reset_linear(module: nn.Module) -> None:
    """Draw a linear layer's weights anew, as VMamba does; other modules stay."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
