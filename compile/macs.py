"""Multiply-accumulates of one image: what the convolutions, linear layers and scans of a module do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import nn

SCAN_MACS = 3  # per state, route and position: decay x state, drive, C x state; exp and softplus are not counted


def macs_from_model(model: nn.Module, preprocess: Preprocess) -> int:
    """Count the multiply-accumulates of one image.

    Args:
        model: takes (1,C,S,S).
        preprocess: gives C and S.

    Returns:
        Of Conv2d, Linear and SS2D's projections and scans; activations and normalisations count nothing.
    """
    import torch
    from torch import nn

    from compile.model.ss2d import SS2D

    total = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, SS2D):
            positions = inputs[0].shape[1] * inputs[0].shape[2]
            k, d_inner, rank = module.dt_projs_weight.shape
            states = module.A_logs.shape[1]
            per_position = module.x_proj_weight.numel() + k * d_inner * (rank + SCAN_MACS * states + 1)
            total += positions * per_position

    hooks = [module.register_forward_hook(count) for module in model.modules()]
    try:
        with torch.inference_mode():
            model(torch.zeros(1, preprocess.channels, preprocess.size_px, preprocess.size_px))
    finally:
        for hook in hooks:
            hook.remove()
    return total
