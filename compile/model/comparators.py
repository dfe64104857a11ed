"""Well-known classifiers behind the same two outputs as ours: what the students are measured against, on the same path.

In: an image batch. Out: logits and the last map, channels last. The networks come from timm, without weights;
MSPANet has its own file.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from edge.errors import DeviceError
from edge.packages import install_cure

TIMM_NAMES = {
    "resnet50": "resnet50",
    "resnet18": "resnet18",
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "convnextv2_tiny": "convnextv2_tiny",
    "repvit_m1_0": "repvit_m1_0",
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_b0_attention": "efficientnet_b0",
    "mobilenetv4_conv_small": "mobilenetv4_conv_small",
    "efficientnet_lite0": "tf_efficientnet_lite0",  # the padding of the published weights
    "efficientnet_lite2": "tf_efficientnet_lite2",
}
PERCEPTRON_WIDTHS = (256, 64)  # hidden layers of the head of efficientnet_b0_attention
PERCEPTRON_DROPOUT = 0.3
CHANNELS_LAST = ("swin_tiny",)  # the maps that timm already gives as (B,H,W,dim)
TORCHVISION_SCHEMAS = (  # what torchvision's Python files extend at import; its binary defines them
    ("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ("torchvision::qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
)


class Comparator(nn.Module):
    """A timm network with our two outputs.

    Args:
        name: a key of `TIMM_NAMES`.
        classes: number of classes.
        in_channels: channels of the image.
        drop_path: share of images that skip a residual branch while training, where the network has stochastic depth.

    Raises:
        DeviceError: timm is not installed.
    """

    def __init__(self, name: str, classes: int, in_channels: int = 3, drop_path: float = 0.0) -> None:
        super().__init__()
        options: dict[str, Any] = {"num_classes": classes, "in_chans": in_channels}
        if name == "swin_tiny" or (drop_path and name != "repvit_m1_0"):  # swin has it unasked, repvit not at all
            options["drop_path_rate"] = drop_path
        if name == "swin_tiny":
            options["strict_img_size"] = False
        self.channels_last = name in CHANNELS_LAST
        self.net = _timm().create_model(TIMM_NAMES[name], pretrained=False, **options)
        self.head: AttentionHead | None = None
        if name == "efficientnet_b0_attention":
            self.head = AttentionHead(self.net.num_features, classes)
            self.net.reset_classifier(0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Classify: (B,C,S,S) -> logits (B,classes), features (B,h,w,dim), normalized as the network leaves them."""
        last = self.net.forward_features(x)
        if self.head is not None:
            last = self.head.attended(last)
            return self.head(last), last.permute(0, 2, 3, 1)
        return self.net.forward_head(last), last if self.channels_last else last.permute(0, 2, 3, 1)


class AttentionHead(nn.Module):
    """Attention over channels and pixels of the last map, and three perceptron layers.

    The paper names "attention" and "3-layer perceptrons" behind EfficientNet; of its text only the abstract could be
    read. Kind and widths here are ours: squeeze-and-excitation, then one weight a pixel, then 1280-256-64-classes.

    Args:
        dim: channels of the map.
        classes: number of classes.

    Source: Sivasubramanian et al., arXiv 2410.17396, abstract.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(nn.Conv2d(dim, dim // 16, 1), nn.ReLU(), nn.Conv2d(dim // 16, dim, 1))
        self.pixels = nn.Conv2d(dim, 1, 1)
        layers: list[nn.Module] = []
        for width in PERCEPTRON_WIDTHS:
            layers += [nn.Linear(dim, width), nn.ReLU(), nn.Dropout(PERCEPTRON_DROPOUT)]
            dim = width
        self.perceptron = nn.Sequential(*layers, nn.Linear(dim, classes))

    def attended(self, x: Tensor) -> Tensor:
        """Weigh channels, then pixels: (B,dim,H,W) -> (B,dim,H,W)."""
        x = x * torch.sigmoid(self.channels(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.pixels(x))

    def forward(self, x: Tensor) -> Tensor:
        """(B,dim,H,W) -> logits (B,classes)."""
        return self.perceptron(x.mean((2, 3)))  # type: ignore[no-any-return]


def _timm() -> ModuleType:
    """timm, also where pip put a CUDA torchvision beside a CPU torch."""
    try:
        try:
            importlib.import_module("torchvision")
        except RuntimeError:  # "operator torchvision::nms does not exist": its binary did not load
            for name, schema in TORCHVISION_SCHEMAS:
                torch.library.define(name, schema)
        return importlib.import_module("timm")
    except ImportError as error:
        raise DeviceError(f"Comparators need timm: {error}.", install_cure("train")) from error
