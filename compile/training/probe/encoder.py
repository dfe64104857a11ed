"""A frozen encoder + images -> one vector an image, kept in a file.

::

    checkpoint of ours, VMamba's .pth --+
    sononet16:PATH ---------------------+--> last map (h,w,D) --mean over the pixels--> (M,D) --> features-<digest>.npy
    bundle, through its engine ---------+                         no torch is needed for a bundle
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset
from edge.errors import CheckpointError
from edge.files import sha256_from_file, write_atomic
from edge.preprocess import Preprocess
from edge.sources.images import load_image

if TYPE_CHECKING:
    from torch import Tensor

    from edge.keyring import Keyring

SONONET = "sononet16"
BUNDLE_SUFFIX = ".edge"
BATCH = 16  # images: SonoNet's first maps of them take 132 MB

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Encoder:
    """A network that is not trained here.

    Attributes:
        name: kind and SHA-256 of its file.
        path: the file.
        is_ours: trained by this program, so perhaps on images that are tested.
    """

    name: str
    path: Path
    is_ours: bool

    @property
    def kind(self) -> str:
        """What kind of file it is."""
        return self.name.split()[0]


def encoder_from_text(text: str) -> Encoder:
    """Name an encoder.

    Args:
        text: a checkpoint, `sononet16:PATH`, or a bundle.

    Raises:
        CheckpointError: there is no such file.
    """
    kind, _, rest = text.partition(":")
    published = kind == SONONET and bool(rest)
    path = Path(rest if published else text)
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file.", "Give a .safetensors, .pth or .edge file, or sononet16:PATH.")
    name = SONONET if published else "bundle" if path.suffix == BUNDLE_SUFFIX else "checkpoint"
    return Encoder(f"{name} {sha256_from_file(path)}", path, not published and path.suffix != ".pth")


def kept_features(
    folder: Path, encoder: Encoder, dataset: Dataset, keyring: Keyring, threads: int, progress: Progress
) -> NDArray[np.float32]:
    """The vectors of these images from a file in the folder, else computed and written there.

    Args:
        folder: of the files; safe to remove.
        encoder: that sees the images.
        dataset: M images.
        keyring: the keys that a bundle's signature is checked against.
        threads: of a bundle's engine.
        progress: told what is done, 0..1.

    Returns:
        (M,D).

    Raises:
        CheckpointError: weights that cannot be read.
        EdgeError: a bundle that cannot be opened.
        ImageError: an image cannot be read.
        MachineError: the folder cannot be written.
    """
    digest = hashlib.sha256(f"{encoder.name} {dataset.digest}".encode()).hexdigest()
    path = folder / f"features-{digest[:16]}.npy"
    try:
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # none yet, or damaged: made again
        kept = np.zeros((0, 0), np.float32)
    if len(kept) == len(dataset.samples):
        return kept
    made = _from_bundle if encoder.kind == "bundle" else _from_torch
    features = made(encoder, dataset, keyring, threads, progress)
    stream = io.BytesIO()
    np.save(stream, features)
    write_atomic(path, stream.getvalue())
    return features


def _from_bundle(
    encoder: Encoder, dataset: Dataset, keyring: Keyring, threads: int, progress: Progress
) -> NDArray[np.float32]:
    from edge.session import open_session

    rows = []
    with open_session(encoder.path, threads=threads, keyring=keyring) as session:
        for index, sample in enumerate(dataset.samples):
            rows.append(session.features(load_image(dataset.path(sample))).mean((0, 1)))
            progress("encoding", (index + 1) / len(dataset.samples))
    return np.asarray(rows, np.float32)


def _from_torch(
    encoder: Encoder, dataset: Dataset, _keyring: Keyring, _threads: int, progress: Progress
) -> NDArray[np.float32]:
    import torch

    from compile.training.images import inputs_from_dataset

    encode, preprocess = _sononet(encoder.path) if encoder.kind == SONONET else _checkpoint(encoder.path)
    rows = []
    with torch.inference_mode():
        for start in range(0, len(dataset.samples), BATCH):
            part = replace(dataset, samples=dataset.samples[start : start + BATCH])
            rows.append(encode(torch.from_numpy(inputs_from_dataset(part, preprocess))).numpy())
            progress("encoding", min(1.0, (start + BATCH) / len(dataset.samples)))
    return np.concatenate(rows).astype(np.float32)


def _sononet(path: Path) -> tuple[Callable[[Tensor], Tensor], Preprocess]:
    from compile.model.sononet import WIDTH_PX, load_sononet, sononet_input

    net = load_sononet(path)
    return lambda gray: net.maps(sononet_input(gray)).mean((2, 3)), Preprocess(WIDTH_PX, mean=0.0, std=1.0)


def _checkpoint(path: Path) -> tuple[Callable[[Tensor], Tensor], Preprocess]:
    from compile.foreign import IMAGENET_MEAN, IMAGENET_STD
    from compile.model.checkpoint import teacher_from_checkpoint

    module, info = teacher_from_checkpoint(path)
    plain = Preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD, channels=info.in_channels)
    return lambda x: module(x)[1].mean((1, 2)), info.spec.preprocess if info.spec else plain
