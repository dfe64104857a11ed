"""SonoNet16: a published 13-plane classifier of fetal scan planes, read strictly, as a teacher or to be trained on.

::

    gray squares (B,1,P,P), 0..1 -> (B,1,224,288), zero mean, unit deviation, x 255
                                 -> features -> adaption -> mean over the pixels -> logits (B,14)

Its weights are not ours and do not ship. Which of its planes are ours is the table `OUR_PLANES`.

Source: Baumgartner et al., SonoNet, IEEE TMI 2017, arXiv 1612.05601; weights baumgach/SonoNet-weights (Apache-2.0),
names of the port rdroste/SonoNet_PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.errors import CheckpointError

HEIGHT_PX, WIDTH_PX = 224, 288  # published input
WIDTHS = ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128), (128, 128, 128))  # 2x2 max-pooling between the blocks
ADAPTION_WIDTH = 64
BN_EPS = 1e-4  # published
INPUT_SCALE = 255.0  # published: standardised pixels are multiplied by it
LABELS = (
    "3VV",
    "4CH",
    "Abdominal",
    "Background",
    "Brain (Cb)",
    "Brain (Tv)",
    "Femur",
    "Kidneys",
    "Lips",
    "LVOT",
    "Profile",
    "RVOT",
    "Spine (cor.)",
    "Spine (sag.)",
)
OUR_PLANES = {  # its class -> our labels that it means; every other class says only "none of these"
    "Abdominal": ("abdomen",),
    "Brain (Cb)": ("brain_transcerebellar",),
    "Brain (Tv)": (
        "brain_transventricular",
        "brain_transthalamic",
    ),  # it was taught one trans-ventricular class for both
    "Femur": ("femur",),
    # 3VV, 4CH, LVOT, RVOT: views of the heart; fpdb's `thorax` is not the four-chamber view
    # Profile: second trimester; `profile_standard` is an image of week 11-14
}


class _Unit(nn.Sequential):
    """Convolution without bias, batch normalisation, and ReLU if asked."""

    def __init__(self, dim_in: int, dim_out: int, kernel: int) -> None:
        conv = nn.Conv2d(dim_in, dim_out, kernel, padding=kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(dim_out, eps=BN_EPS), nn.ReLU())


class SonoNet(nn.Module):
    """SonoNet16 with fresh weights, parameter names as published."""

    def __init__(self) -> None:
        super().__init__()
        blocks, dim = [], 1
        for widths in WIDTHS:
            units = []
            for width in widths:
                units.append(_Unit(dim, width, 3))
                dim = width
            blocks.append(nn.Sequential(*units))
        self.features = nn.ModuleList(blocks)
        self.adaption = nn.Sequential(
            *_Unit(dim, ADAPTION_WIDTH, 1),
            nn.Conv2d(ADAPTION_WIDTH, len(LABELS), 1, bias=False),
            nn.BatchNorm2d(len(LABELS), eps=BN_EPS),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: input of `sononet_input` -> logits (B,14), class maps (B,14,18,14) channels last."""
        maps = self.adaption(self.maps(x))
        return maps.mean((2, 3)), maps.permute(0, 2, 3, 1)

    def maps(self, x: Tensor) -> Tensor:
        """Last map of the features: (B,1,H,W) -> (B,128,H/16,W/16)."""
        for index, block in enumerate(self.features):
            x = block(functional.max_pool2d(x, 2) if index else x)
        return x


class SonoNetClassifier(nn.Module):
    """SonoNet16's features behind our two outputs, with a head for other planes.

    Each image is standardised, so that mean and deviation of our input do not matter. The published factor of 255
    stands in the first normalisation instead (`classifier_state`): its variances would not fit into float16.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = SonoNet()
        del self.net.adaption
        self.norm = nn.LayerNorm(WIDTHS[-1][-1])
        self.head = nn.Linear(WIDTHS[-1][-1], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: (B,1,S,S) -> logits (B,classes), features (B,S/16,S/16,128)."""
        features = self.norm(self.net.maps(_standardised(x, 1.0)).permute(0, 2, 3, 1))
        return self.head(features.mean(dim=(1, 2))), features


def classifier_state(published: SonoNet) -> dict[str, Tensor]:
    """The published weights as those of a `SonoNetClassifier` without its head."""
    state = {f"net.{key}": value for key, value in published.state_dict().items() if not key.startswith("adaption")}
    state["net.features.0.0.1.running_mean"] = state["net.features.0.0.1.running_mean"] / INPUT_SCALE
    state["net.features.0.0.1.running_var"] = state["net.features.0.0.1.running_var"] / INPUT_SCALE**2
    return state


def sononet_input(gray: Tensor) -> Tensor:
    """Squares as SonoNet saw its frames: the middle 224 of 288 rows, which is where a 4:3 frame lies in a square.

    Args:
        gray: (B,1,P,P), 0..1.

    Returns:
        (B,1,224,288), each image with zero mean and a standard deviation of 255.
    """
    square = functional.interpolate(gray, (WIDTH_PX, WIDTH_PX), mode="bilinear", antialias=True)
    top = (WIDTH_PX - HEIGHT_PX) // 2
    return _standardised(square[:, :, top : top + HEIGHT_PX], INPUT_SCALE)


def _standardised(x: Tensor, scale: float) -> Tensor:
    x = x.float()
    deviation = x.std((1, 2, 3), keepdim=True, correction=0).clamp(min=1e-6)  # a black frame stays black
    return (x - x.mean((1, 2, 3), keepdim=True)) / deviation * scale


def load_sononet(path: Path) -> SonoNet:
    """Load the published weights: frozen, in eval mode.

    Args:
        path: safetensors, float32, the published names and no others.

    Raises:
        CheckpointError: not readable, a tensor missing, unexpected, of another shape or type, NaN or Inf.
    """
    tensors = _tensors(path)
    model = SonoNet()
    expected = {name: v for name, v in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in expected]
    for name, value in expected.items():
        found = tensors.get(name)
        if found is not None and (found.shape, found.dtype) != (value.shape, torch.float32):
            problems.append(f"{name} is {found.dtype} {tuple(found.shape)} instead of float32 {tuple(value.shape)}")
        elif found is not None and not bool(torch.isfinite(found).all()):
            problems.append(f"{name} holds NaN or Inf")
    if problems:
        raise CheckpointError(
            f"{path} is not SonoNet16: {'; '.join(problems[:3])} ({len(problems)} faults).",
            "Give the published weights as safetensors, float32, names unchanged.",
        )
    model.load_state_dict(tensors, strict=False)  # only num_batches_tracked is absent, as checked
    return model.eval().requires_grad_(False)


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors: {str(error).splitlines()[0]}.", "Download the weights again."
        ) from error
