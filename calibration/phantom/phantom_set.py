"""Settings -> a folder of phantoms, ready for `edge train`.

::

    plan -> images/PLANE/*.png -> planes.txt, recipe.toml, README.md, ATTRIBUTION.md, contact_sheet.png -> labels.csv

phantom.json comes first and says what the folder is: an interrupted run goes on, another set is refused. labels.csv
comes last: a folder without it is not finished. On one machine and one version of numpy and Pillow the same settings
give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.phantom.frame import frame_from_phantom, scatterers_from_patient
from calibration.phantom.marking import TEXT
from calibration.phantom.patient import Patient
from calibration.phantom.plan import PhantomSettings, PlannedFrame, plan_from_settings
from calibration.phantom.planes import NOT_STANDARD, PROTOCOL, plane_names
from calibration.phantom.sheet import ROWS, png_from_frames
from edge.errors import MachineError, UsageError
from edge.files import write_atomic
from edge.protocol import load_protocol
from edge.sources.images import load_image

IDENTITY = "phantom.json"
LABELS = "labels.csv"
COLUMNS = ("file", "dataset", "label", "split", "patient", "machine", "operator", "weeks")
NOTE = "Computed, not recorded: no patient, no scanner. For testing software; not for any statement about patients."
ATTRIBUTION = f"# {TEXT}: computed images of schematic anatomy, no patients\n\n{NOTE}\nMade by `edge phantom`.\n"
RECIPE = """\
# For `edge train --recipe`: this set's reject class, and a gentle augmentation, as the frames vary by themselves.
rejects = ["not_standard"]
mixup = 0.0
drop_path = 0.0
warmup_epochs = 2

[augmentation]
area = [0.75, 1.1]
rotation_deg = 10.0
speckle = 0.05
erase = 0.1
"""


@dataclass(frozen=True)
class PhantomSet:
    """A finished set.

    Attributes:
        folder: where it lies.
        labels: its label table.
        frames: how many.
        drawn: how many of them this run drew; the others were there.
        patients: how many.
        splits: name -> frames.
    """

    folder: Path
    labels: Path
    frames: int
    drawn: int
    patients: int
    splits: dict[str, int]


def phantom_set_from_settings(
    folder: Path, settings: PhantomSettings, progress: Callable[[str, float], None]
) -> PhantomSet:
    """Draw a set, or what an interrupted run left of it.

    Args:
        folder: to fill; new, empty, or begun with the same settings.
        settings: of the set.
        progress: told what is done, 0..1.

    Raises:
        UsageError: the settings mean nothing, or the folder holds something else.
        MachineError: the folder cannot be written.
    """
    plan = plan_from_settings(settings)
    _claim(folder, settings)
    drawn = _draw(folder, plan, settings, progress)
    documents = {
        "planes.txt": "".join(f"{plane}\n" for plane in plane_names()).encode(),
        "recipe.toml": RECIPE.encode(),
        "ATTRIBUTION.md": ATTRIBUTION.encode(),
        "README.md": _readme(plan, settings).encode(),
        "contact_sheet.png": _sheet(folder, plan, settings),
        LABELS: _table(plan, settings),
    }
    for name, data in documents.items():
        write_atomic(folder / name, data)
    splits = {name: sum(frame.sample.split == name for frame in plan) for name in ("train", "val", "test")}
    return PhantomSet(folder, folder / LABELS, len(plan), drawn, settings.patients, splits)


def _claim(folder: Path, settings: PhantomSettings) -> None:
    """Write what the folder is for, or check that it is for this."""
    wanted = f"{json.dumps({'phantom_set': asdict(settings)}, indent=1)}\n".encode()
    identity = folder / IDENTITY
    try:
        occupied = any(folder.iterdir()) if folder.exists() else False
        found = identity.read_bytes() if identity.is_file() else b""
    except NotADirectoryError as error:
        raise UsageError(f"{folder} is a file.", "Give a new or empty folder.") from error
    except OSError as error:
        raise MachineError(f"{folder} cannot be read: {error.strerror}.", "Give a folder you may write to.") from error
    if occupied and found != wanted:
        what = "a phantom set of other settings" if found else "something else"
        raise UsageError(f"{folder} holds {what}; nothing was changed.", "Give a new or empty folder.")
    if not found:
        write_atomic(identity, wanted)


def _draw(
    folder: Path, plan: tuple[PlannedFrame, ...], settings: PhantomSettings, progress: Callable[[str, float], None]
) -> int:
    missing = [frame for frame in plan if not (folder / frame.sample.file).is_file()]
    missing.sort(key=lambda frame: frame.patient)
    done = 0
    for number, frames in groupby(missing, key=lambda frame: frame.patient):
        patient = Patient(settings.seed, number)
        scatterers = scatterers_from_patient(patient)
        for frame in frames:
            label = frame.sample.label
            pixels = frame_from_phantom(label, patient, frame.number, settings.size_px, scatterers)
            write_atomic(folder / frame.sample.file, png_from_pixels(pixels, frame))
            done += 1
            progress("drawing phantoms", done / len(missing))
    return done


def png_from_pixels(pixels: NDArray[np.uint8], frame: PlannedFrame) -> bytes:
    """A PNG that says in its own text what it is.

    Args:
        pixels: (H,W).
        frame: what they show.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", TEXT)
    text.add_text("Description", f"{NOTE} Drawn as {frame.sample.label}, {frame.sample.patient}.")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=text)
    return stream.getvalue()


def _table(plan: tuple[PlannedFrame, ...], settings: PhantomSettings) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for frame in plan:
        weeks = f"{Patient(settings.seed, frame.patient).weeks:.1f}"
        writer.writerow({**{name: getattr(frame.sample, name) for name in COLUMNS[:-1]}, "weeks": weeks})
    return stream.getvalue().encode()


def _readme(plan: tuple[PlannedFrame, ...], settings: PhantomSettings) -> str:
    planes = load_protocol(PROTOCOL).planes
    rows = "\n".join(f"| {plane.id} | {plane.en} | {plane.zh} |" for plane in planes)
    return (
        f"# {TEXT}\n\n{NOTE}\n\n"
        f"{len(plan)} frames of {settings.patients} made-up patients, seed {settings.seed}, generator "
        f"{settings.generator}. The label {NOT_STANDARD} marks frames between planes, beside a plane and elsewhere.\n"
        "Figures measured on this set must not stand beside figures of real images.\n\n"
        f"| id | English | Chinese |\n|---|---|---|\n{rows}\n"
    )


def _sheet(folder: Path, plan: tuple[PlannedFrame, ...], settings: PhantomSettings) -> bytes:
    """Of the set's own frames: one a patient."""
    files = {(frame.sample.label, frame.patient): folder / frame.sample.file for frame in reversed(plan)}

    def frame(label: str, row: int) -> NDArray[np.uint8]:
        return load_image(files[label, row % settings.patients])

    columns = [(plane.id, plane.en) for plane in load_protocol(PROTOCOL).planes]
    title = f"{NOTE} Seed {settings.seed}, {ROWS} frames a plane."
    return png_from_frames([*columns, (NOT_STANDARD, "no standard plane")], frame, title)
