"""Can a model read? The name of another plane written into a margin, against its letters shuffled in the same place.

::

    frame --upper corners blackened where the screen is---> answer, without the scanner's own text
          --a wrong plane's name in one corner-------------> answer --+
          --the same letters, shuffled---------------------> answer --+--> does the answer follow what is written?

Shuffled letters cover as much of the picture as the name does: what is left between the two is reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from calibration.dataset import Dataset
from calibration.metrics import interval_by_patient, macro_f1
from calibration.samples_set import gate_dataset
from edge.keyring import Keyring, home_from_environment
from edge.postprocess import probabilities_from_logits
from edge.preprocess import Preprocess, gray_from_frame, input_from_square, square_from_frame
from edge.session import Session, open_session
from edge.sources.images import load_image

BUNDLES = (Path("build/fetal-planes.edge"), Path("build/edge_s.edge"))
SMALL_STEP = 12  # every so many images for the small scale
SEED = 0
HEIGHT = (0.05, 0.09)  # of the letters, share of the frame's height: from a preset's to a hand's annotation
LEVELS = (160, 256)  # gray of the letters
SCREEN_LEVEL = 14  # gray levels of the screen's black with JPEG ripple
SCREEN_SHARE = 0.55  # of a pixel's surroundings that are black: text stands on the screen, not in the fan
SURROUNDINGS = 0.05  # half the side of these, share of the frame's width
CORNERS = (0.36, 0.22)  # share of the frame's height and width where presets stand
ANNOTATED = {  # what is typed on such images, with the measurement's short name
    "abdomen": "ABDOMEN AC",
    "brain_transthalamic": "THALAMI BPD HC",
    "brain_transventricular": "VENTRICLE VP",
    "brain_transcerebellar": "CEREBELLUM TCD",
    "femur": "FEMUR FL",
    "thorax": "HEART 4CH",
}
ARMS = ("as it is", "own text out", "wrong name", "letters shuffled")

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float64]]  # (S,S) -> probability of each plane


@dataclass(frozen=True)
class Read:
    """What a model says of M plane images, A arms in the order of ARMS.

    Attributes:
        probabilities: (M,A,P), of the planes.
        truth: (M,), plane numbers.
        written: (M,), the plane whose name was written.
        patients: M names.
    """

    probabilities: NDArray[np.float64]
    truth: NDArray[np.int64]
    written: NDArray[np.int64]
    patients: tuple[str, ...]


def measured(small: bool) -> dict[str, Any]:
    """Macro-F1 with each text, and how far answers follow it; both models that ship."""
    dataset, keyring, models = gate_dataset(None), Keyring(home_from_environment(os.environ)), []
    if small:
        dataset = replace(dataset, samples=dataset.samples[::SMALL_STEP])
    for bundle in BUNDLES:
        with open_session(bundle, threads=2, keyring=keyring) as session:
            named = {"bundle": f"{session.manifest.name} {session.manifest.precision}", "bundle_sha256": session.digest}
            models.append({**named, **figures_from_read(read_by_session(session, dataset))})
    written = {"height": HEIGHT, "gray": LEVELS, "names": ANNOTATED, "place": "one of the frame's corners"}
    return {"dataset_sha256": dataset.digest, "seed": SEED, "written": written, "models": models}


def read_by_session(session: Session, dataset: Dataset) -> Read:
    """What a bundle says of the plane images of a data set."""
    planes = [label.id for label in session.manifest.planes]
    return read_from_images(dataset, planes, session.manifest.preprocess, partial(probabilities_of, session))


def probabilities_of(session: Session, square: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A bundle's answer to a square: (P,)."""
    manifest = session.manifest
    logits = session.logits(input_from_square(square, manifest.preprocess))
    probabilities = probabilities_from_logits(logits, manifest.decision.temperature)
    places = [manifest.label_ids.index(label.id) for label in manifest.planes]
    return np.asarray(probabilities, np.float64).reshape(-1)[places]


def read_from_images(dataset: Dataset, planes: list[str], preprocess: Preprocess, answer: Answer) -> Read:
    """Write on every image of a plane that has a name here, and ask."""
    samples = [sample for sample in dataset.samples if sample.label in ANNOTATED]
    rng = np.random.default_rng(SEED)
    rows, written = [], []
    for sample in samples:
        gray = gray_from_frame(load_image(dataset.path(sample)))
        name = str(rng.choice([label for label in ANNOTATED if label != sample.label]))
        frames = (gray, blackened(gray), *written_frames(gray, ANNOTATED[name], rng))
        rows.append([answer(square_from_frame(frame, preprocess)) for frame in frames])
        written.append(planes.index(name))
    truth = np.array([planes.index(sample.label) for sample in samples])
    return Read(np.array(rows), truth, np.array(written), tuple(sample.person for sample in samples))


def blackened(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame whose upper corners are black wherever most of a pixel's surroundings are."""
    height, width = gray.shape
    black = Image.fromarray(np.where(gray < SCREEN_LEVEL, 255, 0).astype(np.uint8))
    share = np.asarray(black.filter(ImageFilter.BoxBlur(SURROUNDINGS * width))) / 255
    corners = np.zeros(gray.shape, np.bool_)
    rim = round(CORNERS[1] * width)
    corners[: round(CORNERS[0] * height), :rim] = corners[: round(CORNERS[0] * height), width - rim :] = True
    return np.where(corners & (share > SCREEN_SHARE), 0, gray).astype(np.uint8)


def written_frames(
    gray: NDArray[np.uint8], words: str, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A frame with words in a corner, and with their letters shuffled: the same place, size and gray."""
    height, width = gray.shape
    size, level = int(rng.uniform(*HEIGHT) * height), int(rng.integers(*LEVELS))
    right, low = rng.integers(2, size=2)
    shuffled = words
    while shuffled == words:
        shuffled = "".join(rng.permutation(list(words)))
    made = []
    for text in (words, shuffled):
        image = Image.fromarray(gray)
        font = ImageFont.load_default(max(6, size))
        room = font.getbbox(text)[2]
        place = (max(0, width - 3 - room) if right else 3, height - 3 - int(1.3 * size) if low else 3)
        ImageDraw.Draw(image).text(place, text, fill=level, font=font)
        made.append(np.asarray(image))
    return made[0], made[1]


def figures_from_read(read: Read) -> dict[str, Any]:
    """Scores of each arm, and the paired differences between a name and its shuffled letters."""
    answers = read.probabilities.argmax(2)
    before, name, shuffled = (answers[:, ARMS.index(arm)] for arm in ("as it is", "wrong name", "letters shuffled"))
    rows = np.arange(len(read.truth))
    of_written = read.probabilities[rows, :, read.written]
    difference = of_written[:, ARMS.index("wrong name")] - of_written[:, ARMS.index("letters shuffled")]
    ends = interval_by_patient(lambda weights: float(np.average(difference, weights=weights)), read.patients)
    changed_to = {
        arm: int(((told == read.written) & (before != read.written)).sum())
        for arm, told in (("wrong name", name), ("letters shuffled", shuffled))
    }
    return {
        "images": len(read.truth),
        "macro_f1": {arm: scored(read, answers[:, number]) for number, arm in enumerate(ARMS)},
        "answers_changed": {arm: int((answers[:, n] != before).sum()) for n, arm in enumerate(ARMS) if n},
        "answers_changed_to_what_is_written": changed_to,
        "probability_of_what_is_written_name_minus_shuffled": {
            "mean": round(float(difference.mean()), 5),
            "interval": [round(end, 5) for end in ends],
        },
    }


def scored(read: Read, answers: NDArray[np.int64]) -> dict[str, Any]:
    """Macro-F1 with its interval by patient."""
    low, high = interval_by_patient(partial(macro_f1, read.truth, answers), read.patients)
    return {"value": round(macro_f1(read.truth, answers), 4), "interval": [round(low, 4), round(high, 4)]}
