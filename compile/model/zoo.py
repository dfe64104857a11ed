"""Every model that has a name: name -> fresh torch module with outputs (logits, features)."""

from __future__ import annotations

import difflib

import torch
from torch import nn

from compile.model.comparators import TIMM_NAMES, Comparator
from compile.model.mspanet import MSPANet
from compile.model.sononet import SonoNetClassifier
from compile.model.students import SHAPES as STUDENT_SHAPES
from compile.model.students import student_from_name
from compile.model.vmamba import SHAPES as VMAMBA_SHAPES
from compile.model.vmamba import vmamba_from_name
from edge.errors import UsageError

MSPANET = "mspanet"
SONONET = "sononet16"


def model_names() -> tuple[str, ...]:
    """All names, students first."""
    students = (name + control for name in STUDENT_SHAPES for control in ("", "_noscan"))
    return (*students, *VMAMBA_SHAPES, *TIMM_NAMES, MSPANET, SONONET)


def model_from_name(name: str, classes: int, in_channels: int = 1, drop_path: float | None = None) -> nn.Module:
    """Build a model with fresh weights.

    Args:
        name: one of `model_names()`.
        classes: number of classes, at least 1.
        in_channels: channels of the input, 1 or 3.
        drop_path: share of images that skip a residual branch while training, 0..1; None for the published rate of a
            VMamba and 0 for the others.

    Returns:
        A module (B,C,S,S) -> logits (B,classes), last map (B,h,w,dim).

    Raises:
        UsageError: no model has that name, a comparator is asked for without timm, or a gray network for colour.
    """
    if name in VMAMBA_SHAPES:
        return vmamba_from_name(name, classes, in_channels, drop_path)
    if name in TIMM_NAMES:
        return Comparator(name, classes, in_channels, drop_path or 0.0)
    if name == MSPANET:
        return MSPANet(classes, in_channels, drop_path or 0.0)
    if name == SONONET:
        if in_channels != 1:
            raise UsageError(f"{name} takes gray images, not {in_channels} channels.", "Give gray frames.")
        return SonoNetClassifier(classes)
    if name in model_names():
        return student_from_name(name, classes, in_channels, drop_path or 0.0)
    nearest = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.4) or model_names()
    raise UsageError(f"No model is called {name!r}.", f"Did you mean {', '.join(nearest)}?")


def check_size(model: nn.Module, channels: int, size_px: int) -> None:
    """Let a network answer one black image, before hours are spent on a size that it does not take.

    Args:
        model: as `model_from_name` builds it; left in the mode it is in.
        channels: of the image.
        size_px: side of the image.

    Raises:
        UsageError: the network does not take that size.
    """
    training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, channels, size_px, size_px))
    except (AssertionError, RuntimeError, ValueError) as error:  # timm asserts, torch raises
        cause = str(error).partition("\n")[0].rstrip(".")
        raise UsageError(
            f"The network does not take images of {size_px} px: {cause}.", "Give a multiple of 32, 64 px or more."
        ) from error
    finally:
        model.train(training)
