"""The original downloads -> our compact set, by a list of names and digests; or a check of a compact set.

::

    prepare_list.csv.gz (one line per image: name, label, split, patient, SHA-256, looks)
    folders of FETAL_PLANES_DB, HC18 training_set, Fetus Framework
      -> found by name without suffix -> gray -> longest side 256 px -> JPEG 90 -> compared with the list
      -> images + labels.csv

What is sure and what is not: the list's SHA-256 is that of each compact file. The originals' digests are not known (the
compact set was made from public copies of them), so an original is told by its name and its looks. Other versions of
Pillow or its JPEG library write other bytes from the same picture, and the resampling filter of the first build was not
recorded: such files are counted as "re-encoded" when they look the same, as "other picture" when they do not. Fetus
Framework's file names are those of the copy we had; an archive that names its files otherwise is reported as missing.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError, LabelsError
from edge.files import sha256_from_bytes, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIST_PATH = Path(__file__).with_name("prepare_list.csv.gz")
LONGEST_PX = 256
JPEG_QUALITY = 90
LABEL_COLUMNS = ("file", "label", "split", "patient", "machine", "operator", "dataset", "width", "height")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

EXACT, REENCODED, OTHER, DAMAGED, MISSING = "exact", "re-encoded", "other picture", "damaged", "missing"
STATES = (EXACT, REENCODED, OTHER, DAMAGED, MISSING)
USABLE = (EXACT, REENCODED)


@dataclass(frozen=True)
class Listed:
    """One image of the compact set.

    Attributes:
        original: the original's file name without suffix.
        sha256: of the compact file.
        look: its perceptual hash (`calibration/looks.py`), packed, hexadecimal.
    """

    file: str
    dataset: str
    original: str
    label: str
    split: str
    patient: str
    machine: str
    operator: str
    sha256: str
    look: str
    width: str
    height: str
    original_width: str
    original_height: str


@dataclass(frozen=True)
class Preparation:
    """What became of every listed image: file -> one of STATES."""

    states: Mapping[str, str]

    def count(self, state: str) -> int:
        """Files in a state."""
        return sum(found == state for found in self.states.values())

    def files(self, state: str) -> tuple[str, ...]:
        """Names of the files in a state, sorted."""
        return tuple(sorted(file for file, found in self.states.items() if found == state))


def load_list(path: Path = LIST_PATH) -> tuple[Listed, ...]:
    """Read a list of the compact set.

    Raises:
        LabelsError: not readable, or another layout.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode()
        return tuple(Listed(**row) for row in csv.DictReader(io.StringIO(text)))
    except (OSError, EOFError, UnicodeDecodeError, TypeError) as error:
        raise LabelsError(f"{path} is no list of the compact set: {error}.", "Install the package again.") from error


def compact_from_frame(frame: NDArray[np.uint8]) -> bytes:
    """Gray, longest side at most 256 px with the aspect kept, JPEG of quality 90.

    Args:
        frame: (H,W) or (H,W,3), 0..255.
    """
    from PIL import Image

    from edge.preprocess import gray_from_frame

    image = Image.fromarray(np.ascontiguousarray(gray_from_frame(frame)))
    scale = LONGEST_PX / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def prepare(
    sources: Sequence[Path],
    out: Path,
    listed: Sequence[Listed],
    progress: Callable[[str, float], None] | None = None,
) -> Preparation:
    """Rebuild the compact set from the original downloads.

    Args:
        sources: folders with originals; sub-folders are searched.
        out: gets `images/...` and a `labels.csv` of the usable images (exact or re-encoded). Others are not written.
        listed: the list.

    Raises:
        LabelsError: a source is no folder, or no listed image is in them.
        MachineError: `out` cannot be written.
    """
    originals = _originals(sources)
    if not any(_key(item.original) in originals for item in listed):
        raise LabelsError(
            f"None of the {len(listed)} listed images is in {', '.join(map(str, sources))}.",
            "Unpack FETAL_PLANES_DB (Zenodo 3904280), HC18 (Zenodo 1327317) or Fetus Framework there.",
        )
    states = {}
    for item in _reported(listed, "rebuilding", progress):
        states[item.file], data = _rebuilt(item, originals.get(_key(item.original), ()))
        if states[item.file] in USABLE:
            write_atomic(out / item.file, data)
    write_atomic(out / "labels.csv", _table([item for item in listed if states[item.file] in USABLE]))
    return Preparation(states)


def verify(folder: Path, listed: Sequence[Listed], progress: Callable[[str, float], None] | None = None) -> Preparation:
    """Compare a compact set with the list.

    Raises:
        LabelsError: no folder, or no listed image in it.
    """
    states = {}
    for item in _reported(listed, "checking", progress):
        path = folder / item.file
        states[item.file] = _state(item, path.read_bytes()) if path.is_file() else MISSING
    preparation = Preparation(states)
    if preparation.count(MISSING) == len(listed):
        raise LabelsError(
            f"{folder} holds none of the {len(listed)} images of the compact set.",
            "Name the folder that holds `images/`; to build it from the originals give --out.",
        )
    return preparation


def _reported(listed: Sequence[Listed], stage: str, progress: Callable[[str, float], None] | None) -> Iterable[Listed]:
    for done, item in enumerate(listed, 1):
        yield item
        if progress is not None:
            progress(stage, done / len(listed))


def _key(name: str) -> str:
    return name.strip().lower()


def _originals(sources: Sequence[Path]) -> dict[str, list[Path]]:
    """Every image below the sources by its name without suffix; one name may occur in several folders."""
    found: dict[str, list[Path]] = defaultdict(list)
    for source in sources:
        if not source.is_dir():
            raise LabelsError(f"{source} is no folder.", "Name the folder the archive was unpacked into.")
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                found[_key(path.stem)].append(path)
    return found


def _rebuilt(item: Listed, candidates: Iterable[Path]) -> tuple[str, bytes]:
    """The best of the originals of one name: the first exact one, else the first that looks the same."""
    from edge.sources.images import load_image

    results = {MISSING: b""}
    for path in candidates:
        try:
            data = compact_from_frame(load_image(path))
            results.setdefault(_state(item, data), data)
        except ImageError:
            results.setdefault(DAMAGED, b"")
    state = min(results, key=STATES.index)
    return state, results[state]


def _state(item: Listed, data: bytes) -> str:
    from PIL import Image

    from calibration.looks import NEAR_BITS, hash_from_frame

    if sha256_from_bytes(data) == item.sha256:
        return EXACT
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            look = hash_from_frame(np.asarray(image.convert("L")))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return DAMAGED
    expected = np.unpackbits(np.frombuffer(bytes.fromhex(item.look), np.uint8))[: look.size]
    return REENCODED if np.count_nonzero(look != expected) <= NEAR_BITS else OTHER


def _table(listed: Iterable[Listed]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    writer.writerows([getattr(item, column) for column in LABEL_COLUMNS] for item in listed)
    return stream.getvalue().encode()
