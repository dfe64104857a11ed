"""Do attention maps mean something? Hide what a map points at, and see how much less the plane is recognised.

::

    image -> square -> features -> map (h,w) --order of its cells-+-> the top fifth hidden --> logits: drop of its plane
                                                                  |   the bottom fifth
             another image's map ---------------------------------+-> that one's top fifth
             seeded draws ----------------------------------------`-> a random fifth, mean of the draws

All arms hide whole cells of the map (32 x 32 px of the network's square), of equal area inside the picture; padding
counts nowhere. Hidden cells take their pixels from a blurred copy of the picture: the structure is gone, brightness
stays, and no edge of a black patch looks like a shadow or a cyst. Top cells lie together and in the middle more often
than random ones do; those of another image do so too, and tell how much of the drop is owed to that alone.

Source: Fong and Vedaldi, Interpretable Explanations of Black Boxes by Meaningful Perturbation, arXiv 1704.03296,
section 4 (blur as the neutral content); Petsiuk et al., RISE, arXiv 1806.07421, section 4.2 (deletion).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset, Sample
from calibration.metrics import interval_by_patient
from edge.attention import map_from_features
from edge.errors import LabelsError
from edge.postprocess import prediction_from_logits, probabilities_from_logits
from edge.preprocess import Placement, gray_from_frame, input_from_square, placement_from_gray, square_from_frame
from edge.session import Session
from edge.sources.images import load_image

SHARE = 0.2  # of the picture's area that is hidden
DRAWS = 5  # random fifths an image: halves the noise of one, at 5 of the 10 runs that an image takes
BLUR = 0.5  # standard deviation in cells: a structure as large as a cell is gone
ARMS = ("top", "random", "bottom", "another image's top")


@dataclass(frozen=True)
class View:
    """A rightly named image as the network sees it.

    Attributes:
        sample: of the dataset.
        index: number of its label among the model's.
        square: (S,S), 0..255.
        place: where the picture lies in the square.
        cells: (h,w), the map of its plane, 0..1.
        logits: (K,), of the whole picture.
    """

    sample: Sample
    index: int
    square: NDArray[np.uint8]
    place: Placement
    cells: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True)
class Drops:
    """What hiding a fifth costs the right plane; A arms in the order of ARMS.

    Attributes:
        samples: M rightly named plane images.
        logit: (M,A), fall of the plane's logit, the mean logit taken out: the softmax does not see it.
        probability: (M,A), fall of its calibrated probability.
        area: (M,A), share of the picture that was hidden, 0..1.
    """

    samples: tuple[Sample, ...]
    logit: NDArray[np.float64]
    probability: NDArray[np.float64]
    area: NDArray[np.float64]

    def interval(self, values: NDArray[np.float64]) -> tuple[float, float]:
        """95 % interval by patient of the mean of one value an image: (M,) -> ends."""
        patients = [sample.person for sample in self.samples]
        return interval_by_patient(lambda weights: float(np.average(values, weights=weights)), patients)


def drops_from_session(
    session: Session,
    dataset: Dataset,
    progress: Callable[[str, float], None],
    seed: int = 0,
    draws: int = DRAWS,
) -> Drops:
    """Hide and ask again, for every image of a plane that the bundle names rightly.

    Args:
        session: the loaded bundle.
        dataset: labelled images; those of other labels and those named wrongly are left out.
        progress: told what is done, 0..1.
        seed: of the draws, of ties and of whose map serves for whom.
        draws: random fifths an image.

    Raises:
        UsageError: the bundle gives no attention maps.
        LabelsError: fewer than two images are named rightly.
        ImageError: an image cannot be read.
    """
    views = _right_views(session, dataset, progress)
    if len(views) < 2:
        raise LabelsError(f"{len(views)} images of a plane are named rightly, 2 needed.", "Give more images.")
    rng = np.random.default_rng(seed)
    turn = rng.permutation(len(views))
    strangers = dict(zip(turn, np.roll(turn, 1), strict=True))  # everybody gets another one's map
    rows = np.empty((len(views), len(ARMS), 3))
    for number, view in enumerate(views):
        orders = _orders(view.cells, views[strangers[number]].cells, rng, draws)
        rows[number] = [np.mean([_drop(session, view, order) for order in arm], axis=0) for arm in orders]
        progress("masking", (number + 1) / len(views))
    return Drops(tuple(view.sample for view in views), *np.moveaxis(rows, 2, 0))


def _right_views(session: Session, dataset: Dataset, progress: Callable[[str, float], None]) -> list[View]:
    head, manifest, views = session.head, session.manifest, []
    labels, rejects = manifest.label_ids, manifest.reject_labels
    planes = {label.id for label in manifest.planes}
    samples = [sample for sample in dataset.samples if sample.label in planes]
    for number, sample in enumerate(samples):
        frame = load_image(dataset.path(sample))
        square = square_from_frame(frame, manifest.preprocess)
        logits = _logits(session, square)
        progress("attention maps", (number + 1) / len(samples))
        if prediction_from_logits(logits, labels, rejects, manifest.decision).plane == sample.label:
            index = labels.index(sample.label)
            place = placement_from_gray(gray_from_frame(frame), manifest.preprocess)
            cells = map_from_features(session.features(frame), head, index)
            views.append(View(sample, index, square, place, cells, logits))
    return views


def _orders(
    own: NDArray[np.float32], other: NDArray[np.float32], rng: np.random.Generator, draws: int
) -> tuple[list[NDArray[np.int64]], ...]:
    """For each arm, in which order cells are hidden, once or several times; ties fall at random."""
    chance = rng.random(own.size)
    randoms = [rng.permutation(own.size) for _ in range(draws)]
    orders = [np.lexsort((chance, key.ravel())) for key in (-own, own, -other)]
    return [orders[0]], randoms, [orders[1]], [orders[2]]


def _drop(session: Session, view: View, order: NDArray[np.int64]) -> tuple[float, float, float]:
    """Fall of the logit and of the probability, and the share that was hidden."""
    areas = areas_of_cells(view.place, view.cells.shape, len(view.square))
    hidden = cells_from_order(order, areas, SHARE)
    masked = masked_square(view.square, view.place, hidden)
    before, after = view.logits, _logits(session, masked)
    chances = probabilities_from_logits(np.stack([before, after]), session.manifest.decision.temperature)[:, view.index]
    fall = (before - before.mean())[view.index] - (after - after.mean())[view.index]
    return float(fall), float(chances[0] - chances[1]), float(areas[hidden].sum() / areas.sum())


def _logits(session: Session, square: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(session.logits(input_from_square(square, session.manifest.preprocess))[0])


def areas_of_cells(place: Placement, cells: Sequence[int], size_px: int) -> NDArray[np.int64]:
    """How many pixels of the picture lie in each cell of a map over the square: -> (h,w)."""
    sides = []
    for start, length, count in ((place.top, place.height, cells[0]), (place.left, place.width, cells[1])):
        ends = np.clip(_edges(count, size_px), start, start + length)
        sides.append(np.diff(ends))
    return np.outer(*sides)


def cells_from_order(order: NDArray[np.int64], areas: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """The first cells of an order whose area comes nearest to a share of the picture.

    Args:
        order: numbers of the cells, those to be hidden first in front.
        areas: (h,w), pixels of the picture in each.
        share: 0..1.

    Returns:
        (h,w).
    """
    order = order[areas.ravel()[order] > 0]
    sums = np.concatenate(([0], np.cumsum(areas.ravel()[order])))
    count = int(np.abs(sums - share * areas.sum()).argmin())
    chosen = np.zeros(areas.size, np.bool_)
    chosen[order[:count]] = True
    return chosen.reshape(areas.shape)


def masked_square(square: NDArray[np.uint8], place: Placement, hidden: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A square whose hidden cells are blurred; its padding stays black.

    Args:
        square: (S,S), 0..255.
        place: where the picture lies in it.
        hidden: (h,w), cells of a map over the square.
    """
    from PIL import Image, ImageFilter

    size = len(square)
    rows, columns = (np.diff(_edges(count, size)) for count in hidden.shape)
    mask = hidden.repeat(rows, axis=0).repeat(columns, axis=1)
    inside = np.s_[place.top : place.top + place.height, place.left : place.left + place.width]
    picture = Image.fromarray(np.ascontiguousarray(square[inside]))
    blurred = square.copy()
    blurred[inside] = np.asarray(picture.filter(ImageFilter.GaussianBlur(BLUR * size / max(hidden.shape))))
    return np.where(mask, blurred, square)


def _edges(count: int, size_px: int) -> NDArray[np.int64]:
    """Where the cells of a side begin and end, pixels: (count+1,)."""
    return np.asarray(np.linspace(0, size_px, count + 1).round(), np.int64)
