"""Which shipped images a demo shows: a seed in, one image a plane and what is seen between the planes out.

Drawn from the splits val and test, which no shipped model was trained on, and without a look at what a model answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.samples_set import checked_dataset
from edge.errors import LabelsError
from edge.sources.images import load_image

if TYPE_CHECKING:
    from PIL.Image import Image

ORDER = (  # the head, then downwards: one plane lies beside the next
    "brain_transthalamic",
    "brain_transventricular",
    "brain_transcerebellar",
    "thorax",
    "abdomen",
    "femur",
)
ELSEWHERE = ("other", "cervix")  # labels of the data set that are no plane of the protocol
SPLITS = ("val", "test")
SOFT_PX, DEEP_PX = 2.5, 8.0  # blur of images of 256 px: organs without edges; nothing but light and dark


@dataclass(frozen=True, eq=False)
class Still:
    """One image, in focus and out of it.

    Attributes:
        label: of the data set.
        file: its path below the data set's folder.
        sharp, soft, deep: gray, of one size.
    """

    label: str
    file: str
    sharp: Image
    soft: Image
    deep: Image

    def defocused(self, share: float) -> Image:
        """The image so far out of focus: 0 sharp, 0.5 soft, 1 deep."""
        from PIL import Image

        if share <= 0:
            return self.sharp
        if share < 0.5:
            return Image.blend(self.sharp, self.soft, 2 * share)
        return Image.blend(self.soft, self.deep, min(1.0, 2 * share - 1))


@dataclass(frozen=True)
class Stills:
    """The images of one demo.

    Attributes:
        planes: in the order in which they are visited.
        elsewhere: one before each plane.
    """

    planes: tuple[Still, ...]
    elsewhere: tuple[Still, ...]


def stills_from_seed(seed: int, labels: Path | None = None) -> Stills:
    """Draw a demo's images.

    Args:
        seed: decides which.
        labels: a LABELS.csv; None for the images that ship with the project.

    Raises:
        LabelsError: the table is faulty, or lacks planes or views between them.
    """
    dataset = checked_dataset(labels)
    rng = np.random.default_rng([seed, 0])
    files: dict[str, list[str]] = {}
    for sample in dataset.samples:
        if sample.split in SPLITS:
            files.setdefault(sample.label, []).append(sample.file)
    planes = [(label, str(rng.choice(files[label]))) for label in ORDER if label in files]
    between = [(label, file) for label in ELSEWHERE for file in files.get(label, ())]
    if not planes or not between:
        raise LabelsError(
            "The label table holds too little for a demo: a plane and a view that is none.",
            f"Give images of {ORDER[0]} and of {ELSEWHERE[0]}.",
        )
    order = rng.permutation(len(between))
    elsewhere = [between[order[number % len(order)]] for number in range(len(planes))]
    return Stills(_loaded(dataset.root, planes), _loaded(dataset.root, elsewhere))


def _loaded(root: Path, images: Sequence[tuple[str, str]]) -> tuple[Still, ...]:
    from PIL import Image, ImageFilter

    stills = []
    for label, file in images:
        sharp = Image.fromarray(load_image(root / file)).convert("L")
        soft, deep = (sharp.filter(ImageFilter.GaussianBlur(px)) for px in (SOFT_PX, DEEP_PX))
        stills.append(Still(label, file, sharp, soft, deep))
    return tuple(stills)
