"""Pictures for the scripted bedside: shipped sample images that move a little, as a probe does."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parents[4] / "calibration" / "samples"
SIZE_PX = (640, 480)
STEPS = 5  # shifted copies of one picture
CREDIT = (SAMPLES / "ATTRIBUTION.md").read_text("utf-8").splitlines()[0].lstrip("# ")


@dataclass(frozen=True)
class Pictures:
    """JPEGs by plane and step; made when they are first asked for."""

    made: dict[tuple[str, int], bytes] = field(default_factory=dict)

    @cached_property
    def files(self) -> dict[str, Path]:
        """A file of the val split for each label; planes without one show something else that is none of them."""
        with (SAMPLES / "labels.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] == "val"]
        return {row["label"]: SAMPLES / row["file"] for row in reversed(rows)}

    def jpeg(self, plane: str, step: int) -> bytes:
        """The picture of a plane, moved by a step."""
        place = (plane if plane in self.files else "other", step % STEPS)
        if place not in self.made:
            self.made[place] = _jpeg(self.files[place[0]], place[1])
        return self.made[place]

    def map_png(self, plane: str) -> bytes:
        """Something like the engine's map over a picture."""
        gray = np.asarray(Image.open(io.BytesIO(self.jpeg(plane, 0))), np.float32)
        y, x = np.mgrid[: gray.shape[0], : gray.shape[1]]
        heat = np.exp(-(((x - 300) / 120) ** 2 + ((y - 220) / 90) ** 2))
        colours = np.stack([gray * (1 - 0.5 * heat) + 230 * 0.5 * heat, gray * (1 - 0.2 * heat) + 60 * heat, gray], 2)
        stream = io.BytesIO()
        Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).save(stream, "PNG")
        return stream.getvalue()


def _jpeg(path: Path, step: int) -> bytes:
    picture = Image.open(path).convert("L")
    scale = max(SIZE_PX[0] / picture.width, SIZE_PX[1] / picture.height) * 1.06
    large = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    left, top = (large.width - SIZE_PX[0]) // 2 + 3 * step - 6, (large.height - SIZE_PX[1]) // 2 + step
    stream = io.BytesIO()
    large.crop((left, top, left + SIZE_PX[0], top + SIZE_PX[1])).save(stream, "JPEG", quality=88)
    return stream.getvalue()
