"""SS2D, the token mixer: in_proj -> depthwise 3x3 -> SiLU -> SelectiveScan2D -> out_norm -> out_proj, channels last.

Parameter names and shapes are the published ones (K = 4 routes); the students use two routes a block.

Source: MzeroMiko/VMamba, forward type v05 without gate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from compile.kernels.torch_scan import ROUTES, selective_scan_2d

SCAN_TIMES = ("A_logs", "dt_projs_bias")  # stacked vectors: two axes, and no matrices
DT_MIN, DT_MAX = 1e-3, 1e-1  # time steps at initialisation; Mamba, section 3.6


class SS2D(nn.Module):
    """2-D selective scan with its projections.

    Args:
        dim: channels in and out.
        d_state: states a channel, N.
        ssm_ratio: d_inner / dim.
        routes: scan routes, in the order of the weights' K axis.
        conv_bias: the depthwise convolution has a bias.
    """

    def __init__(
        self,
        dim: int,
        d_state: int = 1,
        ssm_ratio: float = 1.0,
        routes: Sequence[int] = ROUTES,
        conv_bias: bool = False,
    ) -> None:
        super().__init__()
        d_inner, dt_rank, k = int(ssm_ratio * dim), math.ceil(dim / 16), len(routes)
        self.routes = list(routes)
        self.in_proj = nn.Linear(dim, d_inner, bias=False)
        self.conv2d = nn.Conv2d(d_inner, d_inner, 3, padding=1, groups=d_inner, bias=conv_bias)
        self.x_proj_weight = nn.Parameter(torch.empty(k, dt_rank + 2 * d_state, d_inner))
        self.dt_projs_weight = nn.Parameter(torch.empty(k, d_inner, dt_rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(k, d_inner))
        self.A_logs = nn.Parameter(torch.arange(1, d_state + 1).float().log().repeat(k * d_inner, 1))
        self.Ds = nn.Parameter(torch.ones(k * d_inner))
        self.out_norm = nn.LayerNorm(d_inner)
        self.out_proj = nn.Linear(d_inner, dim, bias=False)
        self._reset_scan(dt_rank)

    def _reset_scan(self, dt_rank: int) -> None:
        nn.init.kaiming_uniform_(self.x_proj_weight.view(-1, self.x_proj_weight.shape[-1]), a=math.sqrt(5))
        nn.init.uniform_(self.dt_projs_weight, -(dt_rank**-0.5), dt_rank**-0.5)
        dt = torch.exp(torch.rand_like(self.dt_projs_bias) * math.log(DT_MAX / DT_MIN) + math.log(DT_MIN))
        with torch.no_grad():
            self.dt_projs_bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # the inverse of softplus

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens: (B,H,W,dim) -> (B,H,W,dim)."""
        u = functional.silu(self.conv2d(self.in_proj(x).permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        return self.out_proj(self.out_norm(self.scan(u)))  # type: ignore[no-any-return]

    def scan(self, u: Tensor) -> Tensor:
        """x_proj and the scan: (B,H,W,D) -> (B,H,W,D)."""
        k, d_inner = self.dt_projs_bias.shape
        x_dbl = functional.linear(u, self.x_proj_weight.flatten(0, 1))
        a = -torch.exp(self.A_logs.float()).view(k, d_inner, -1)
        d = self.Ds.view(k, d_inner)
        y: Tensor = selective_scan_2d(u, x_dbl, self.dt_projs_weight, self.dt_projs_bias, a, d, self.routes, "last")
        return y


class DepthwiseMixer(nn.Module):
    """The control: SS2D with a depthwise 7x7 in the scan's place.

    Args:
        dim: channels in and out.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dim, dim, bias=False)
        self.conv2d = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.mix = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.out_norm = nn.LayerNorm(dim)
        self.out_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens: (B,H,W,dim) -> (B,H,W,dim)."""
        u = self.mix(functional.silu(self.conv2d(self.in_proj(x).permute(0, 3, 1, 2)))).permute(0, 2, 3, 1)
        return self.out_proj(self.out_norm(u))  # type: ignore[no-any-return]
