"""The engine's map of one answer, on its way from the inference child to a screen.

::

    features --child--> map (h,w) -> JSON of levels 0..255 ==channel==> map (h,w) -> over the frame -> PNG

The network's own map is small (7x7 to 32x32): it travels as text, and is laid over the frame in the service's process,
outside of the pump. The caption names steps, never a probability.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.attention import map_on_frame, overlay_from_map
from edge.captioned import png_from_picture
from edge.confidence import step_from_probability
from edge.errors import EdgeError
from edge.manifest import Notice
from edge.prediction import NOT_STANDARD, Prediction
from edge.record import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.manifest import Manifest

MAX_SIDE = 128  # of a map: the largest input (4096 px) over the networks' stride of 32; 22 kB as text

CERTAINTY: Mapping[str, Notice] = {
    "low": Notice(", confidence low", "，可信度低"),
    "medium": Notice(", confidence medium", "，可信度中"),
    "high": Notice(", confidence high", "，可信度高"),
}
REFUSALS = (Notice("Not covered. ", "本模型无法判断。"), Notice("Not a standard plane. ", "非标准切面。"))
MOST_PROBABLE = Notice("Most probable: ", "最可能切面：")
ORANGE = Notice(
    "Orange: what speaks most for it (Grad-CAM, own maximum = 1).",
    "橙色：对该判断贡献最大的区域（Grad-CAM，最大值为1）。",
)


@dataclass(frozen=True, eq=False)
class MapOutcome:
    """What became of one request for a map.

    Attributes:
        values: (h,w), 0..1; None where there is none.
        error: why there is none.
    """

    values: NDArray[np.float32] | None
    error: EdgeError | None = None


def json_from_map(values: NDArray[np.float32]) -> dict[str, Any]:
    """A map as JSON, in 256 levels: more than its colours have.

    Args:
        values: (h,w), 0..1.
    """
    levels = np.rint(values * 255).astype(np.uint8)
    return {"sides": list(levels.shape), "levels": base64.b64encode(levels.tobytes()).decode("ascii")}


def map_from_json(data: Mapping[str, Any]) -> NDArray[np.float32]:
    """The map (h,w), 0..1, that `json_from_map` wrote.

    Raises:
        RecordError: it is none.
    """
    sides, text = data.get("sides"), data.get("levels")
    if not isinstance(sides, list) or len(sides) != 2 or not isinstance(text, str):
        raise RecordError("the map does not hold its fields")
    if not all(type(side) is int and 1 <= side <= MAX_SIDE for side in sides):
        raise RecordError("a side of the map is out of range")
    try:
        levels = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError) as error:
        raise RecordError("the map's levels are no text of bytes") from error
    if levels.size != sides[0] * sides[1]:
        raise RecordError("the map has another size than its sides")
    return np.asarray(levels.reshape(sides) / np.float32(255), np.float32)


def png_from_map(
    pixels: NDArray[np.uint8], values: NDArray[np.float32], prediction: Prediction, manifest: Manifest
) -> bytes:
    """The frame with the map over it and what it is of below it.

    Args:
        pixels: (H,W) or (H,W,3), the frame that was answered.
        values: (h,w), 0..1, the map of `prediction.plane`.
        prediction: the answer to the frame.
        manifest: of the bundle that gave both.
    """
    overlay = overlay_from_map(pixels, map_on_frame(values, pixels, manifest.preprocess))
    lines = _lines(prediction, manifest)
    texts = {"Source": manifest.name, "Disclaimer": f"{manifest.notice.en} {manifest.notice.zh}"}
    texts |= {"Description": "\n".join(lines), "Comment": manifest.watermark or ""}
    return png_from_picture(overlay, lines, texts)


def _lines(prediction: Prediction, manifest: Manifest) -> tuple[str, ...]:
    name = next(label for label in manifest.labels if label.id == prediction.plane)
    step = step_from_probability(prediction.probability, manifest.decision.threshold)
    certainty = CERTAINTY[step] if prediction.accepted and step else Notice("", "")
    refusal = Notice("", "") if prediction.accepted else REFUSALS[prediction.answer == NOT_STANDARD]
    lines = (
        f"{refusal.en}{MOST_PROBABLE.en}{name.en}{certainty.en}.",
        ORANGE.en,
        manifest.notice.en,
        f"{refusal.zh}{MOST_PROBABLE.zh}{name.zh}{certainty.zh}。",
        ORANGE.zh,
        manifest.notice.zh,
    )
    return (*lines, manifest.watermark) if manifest.watermark else lines
