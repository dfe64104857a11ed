"""Where the network looked for a plane: Grad-CAM of its last map, from the engine's own answer. Arrays in, arrays out.

::

    features (h,w,D) --the plane's row of the head, ReLU, / maximum--> map (h,w)     0..1
    map (h,w)        --the square's padding and crop undone----------> map (H,W)     in the frame's pixels
    map (H,W)        --over the frame, in colours--------------------> overlay (H,W,3)

Behind the mean over the pixels the head is linear: logits = mean(features) W' + b. So d logit_c / d features is
W[c] / (h w) at every pixel, Grad-CAM's channel weights are W[c] up to that factor, and no gradient has to be computed.
The bundle carries W and b as one of its signed parts; a bundle whose head is not linear carries none.

Source: Selvaraju et al., Grad-CAM, arXiv 1610.02391, section 3 and its appendix on class activation maps; Zhou et al.,
Learning Deep Features for Discriminative Localization, arXiv 1512.04150, section 2.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DeviceError, TrustError
from edge.preprocess import Preprocess, gray_from_frame, placement_from_gray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.bundle import Bundle

HEAD_PART = "head.npy"
OPACITY = 0.5  # of the overlay where the map is 1: the anatomy below stays visible
# Dark violet to orange, rising in lightness, without the black and the glaring end: the middle of matplotlib's inferno.
COLOURS = ((66, 10, 104), (106, 23, 110), (147, 38, 103), (188, 55, 84), (221, 81, 58), (243, 120, 25), (252, 165, 10))


@dataclass(frozen=True)
class Head:
    """What turns the mean of a network's last map into logits.

    Attributes:
        weight: (K,D).
        bias: (K,).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits_from_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(...,h,w,D) -> (...,K)."""
        logits: NDArray[np.float32] = features.mean(axis=(-3, -2)) @ self.weight.T + self.bias
        return logits


def head_from_bundle(bundle: Bundle) -> Head | None:
    """The head of a verified bundle, None where it carries none.

    Raises:
        TrustError: it does not fit the manifest.
    """
    if HEAD_PART not in bundle.parts:
        return None
    try:
        joined = np.load(io.BytesIO(bundle.part(HEAD_PART)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise TrustError(f"The head is no .npy file: {error}.", "Ask the maker for a correct bundle.") from error
    classes = len(bundle.manifest.labels)
    if joined.dtype != np.float32 or joined.ndim != 2 or len(joined) != classes or not np.isfinite(joined).all():
        raise TrustError(
            f"The head does not fit the manifest: {joined.dtype} {joined.shape}, expected {classes} finite rows.",
            "Ask the maker of the bundle for a correct one.",
        )
    return Head(joined[:, :-1], joined[:, -1])


def array_from_head(head: Head) -> NDArray[np.float32]:
    """How a head is stored: (K,D+1), the bias as the last column."""
    return np.concatenate([head.weight, head.bias[:, None]], axis=1).astype(np.float32)


def map_from_features(features: NDArray[np.float32], head: Head, index: int) -> NDArray[np.float32]:
    """Grad-CAM of one class.

    Args:
        features: (h,w,D), the network's last map.
        head: of the same network.
        index: number of the class, 0..K-1.

    Returns:
        (h,w), 0..1 in units of its own maximum; all 0 where nothing speaks for the class.

    Raises:
        DeviceError: the map has another depth than the head.

    Source: Grad-CAM, equations 1 and 2.
    """
    if features.shape[-1] != head.weight.shape[1]:
        raise DeviceError(
            f"The engine's map has {features.shape[-1]} channels, the bundle's head {head.weight.shape[1]}.",
            "Run edge verify on the bundle; compile it again.",
        )
    positive = np.maximum(features @ head.weight[index], np.float32(0))
    highest = positive.max()
    return np.asarray(positive / highest if highest > 0 else np.zeros_like(positive), np.float32)


def map_on_frame(
    attention: NDArray[np.float32], frame: NDArray[np.uint8], preprocess: Preprocess
) -> NDArray[np.float32]:
    """Lay a map of the square back over the frame: padding and crop undone.

    Args:
        attention: (h,w), 0..1, over the whole square.
        frame: (H,W) or (H,W,3), 0..255; its content decides the crop.
        preprocess: how the frame became the square.

    Returns:
        (H,W), 0..1; 0 where the frame was cut off.
    """
    from PIL import Image

    gray = gray_from_frame(frame)
    place = placement_from_gray(gray, preprocess)
    y, x = (side / preprocess.size_px for side in attention.shape)
    box = (place.left * x, place.top * y, (place.left + place.width) * x, (place.top + place.height) * y)
    laid = np.zeros(gray.shape, np.float32)
    kept = laid[place.rows, place.columns]
    smooth = Image.fromarray(np.ascontiguousarray(attention, np.float32))
    kept[:] = np.asarray(smooth.resize(kept.shape[::-1], Image.Resampling.BILINEAR, box=box))
    return np.clip(laid, 0, 1)


def overlay_from_map(frame: NDArray[np.uint8], attention: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The gray frame with the map's colours over it, the more opaque the higher the map.

    Args:
        frame: (H,W) or (H,W,3), 0..255.
        attention: (H,W), 0..1.

    Returns:
        (H,W,3), 0..255, RGB; gray where the map is 0.
    """
    gray = gray_from_frame(frame).astype(np.float32)
    stops, opacity = np.linspace(0, 1, len(COLOURS)), attention * np.float32(OPACITY)
    overlay = np.empty((*gray.shape, 3), np.uint8)
    for channel, levels in enumerate(zip(*COLOURS, strict=True)):
        colour = np.interp(attention, stops, levels).astype(np.float32)
        overlay[..., channel] = np.rint(gray + opacity * (colour - gray))
    return overlay
