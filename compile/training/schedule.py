"""The optimizer of a recipe, and its learning rate at each step: a linear rise, then a cosine to zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from compile.model.ss2d import SCAN_TIMES
from compile.training.recipe import Recipe

START = 0.01  # epochs by which the rise begins above zero


def optimizer_from_recipe(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov's momentum; weight decay on matrices and kernels, and on a scan if so asked.

    A scan's stacked biases of the time step have two axes but are no matrix: decay draws every step towards
    softplus(0), over the 115 epochs of what ships to three times the one it began with, which shortens its memory.
    What a network of timm lists in `no_weight_decay` (Swin's table of position biases) is spared.
    """
    spared = () if recipe.scan_decay else SCAN_TIMES
    listed = {
        f"{within}.{name}"
        for within, module in model.named_modules()
        if hasattr(module, "no_weight_decay")
        for name in module.no_weight_decay()
    }
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim > 1 and name.rpartition(".")[2] not in spared and name not in listed
        (decayed if is_matrix else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)  # one pass over the weights instead of a dozen


def rate_at(recipe: Recipe, position: float) -> float:
    """Learning rate.

    Args:
        recipe: peak, rise and length.
        position: epochs done, a fraction within an epoch.
    """
    rise = min(recipe.warmup_epochs, recipe.epochs / 2)
    if position < rise:
        return recipe.lr * (position + START) / rise
    done = (position - rise) / (recipe.epochs - rise)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * done))
