"""`edge sim scanner`: a scanner that pushes a folder of pictures as ultrasound objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.terminal import AsJson, pairs_table, show_json, show_table
from edge.errors import PeerError

if TYPE_CHECKING:
    from firmware_bridge.dicom.scanner import Pretended

SCHEMA = 1  # of the JSON
FOLDER = Annotated[Path, typer.Argument(help="Folder of images, or one image.")]
TO = Annotated[str, typer.Option(help="HOST:PORT or HOST:PORT:AE of the storage server.")]
TITLE = Annotated[str, typer.Option(help="Own AE title.")]
PATIENT = Annotated[str, typer.Option(help="Patient ID; made up where it is not given.")]
NAME = Annotated[str, typer.Option(help="Patient's name, FAMILY^GIVEN.")]
COUNT = Annotated[Optional[int], typer.Option(min=1, help="Pictures; the folder comes again as often as needed.")]
FRAMES = Annotated[int, typer.Option(min=1, help="Pictures an object; more than 1: clips, scaled to their first.")]
ASSOCIATIONS = Annotated[int, typer.Option(min=1, max=64, help="At once.")]
JPEG = Annotated[bool, typer.Option("--jpeg", help="Compress as JPEG baseline.")]
SEED = Annotated[int, typer.Option(help="Of the identifiers: the same seed sends the same objects again.")]
CERT = Annotated[Optional[Path], typer.Option(help="PEM file with the own certificate.")]
KEY = Annotated[Optional[Path], typer.Option(help="PEM file with its key.")]
AUTHORITY = Annotated[Optional[Path], typer.Option("--tls-ca", help="PEM file: who signs the server's.")]
NAMED = Annotated[str, typer.Option("--tls-name", help="Of the server's certificate; default: HOST.")]


def scanner(
    folder: FOLDER,
    to: TO,
    ae_title: TITLE = "SIM_SCANNER",
    patient: PATIENT = "SIM-0001",
    name: NAME = "Simulated^Patient",
    count: COUNT = None,
    frames: FRAMES = 1,
    associations: ASSOCIATIONS = 1,
    jpeg: JPEG = False,
    seed: SEED = 0,
    tls_cert: CERT = None,
    tls_key: KEY = None,
    tls_ca: AUTHORITY = None,
    tls_name: NAMED = "",
    as_json: AsJson = False,
) -> None:
    """Push a folder of images as DICOM, as a scanner does."""
    from edge.record import json_from_record
    from firmware_bridge.dicom.bridge import silence_libraries
    from firmware_bridge.dicom.scanner import Pretended, push
    from firmware_bridge.dicom.send import check_title
    from firmware_bridge.dicom.tls import client_context, files_from_options
    from firmware_bridge.dicom.worklist import peer_from_text

    silence_libraries()
    check_title(ae_title)
    files, peer = files_from_options(tls_cert, tls_key, tls_ca, tls_name), peer_from_text(to, tls_name)
    who = Pretended(patient=patient, name=name, seed=seed, is_jpeg=jpeg)
    objects = list(_objects(folder, who, count, frames))
    tls = None if files is None else client_context(files)
    figures = push(objects, peer, ae_title, associations, tls)
    if as_json:
        show_json({"schema": SCHEMA, **json_from_record(figures)})
    else:
        told = {**json_from_record(figures), "statuses": _told(figures.statuses) or "-"}
        show_table(pairs_table((key.replace("_", " "), str(value)) for key, value in told.items()))
    if missing := figures.sent - figures.accepted:
        raise PeerError(
            f"{missing} of {figures.sent} objects were not accepted: {_told(figures.statuses)}.",
            "Check the AE title (--to HOST:PORT:AE) and TLS, look at the other side's log, and send them again.",
        )


def _told(statuses: Mapping[str, int]) -> str:
    """Each status with what it means."""
    from firmware_bridge.dicom.scanner import MEANINGS

    return ", ".join(f"{count} x {MEANINGS.get(status, status)}" for status, count in statuses.items())


def _objects(folder: Path, who: Pretended, count: int | None, frames: int) -> Iterator[Any]:
    import numpy as np
    from PIL import Image

    from edge.preprocess import gray_from_frame
    from edge.sources.images import files_from_path, load_image
    from firmware_bridge.dicom.scanner import object_from_pictures

    files: Sequence[Path] = files_from_path(folder)
    chosen = list(files) if count is None else list(islice(cycle(files), count))
    for number, first in enumerate(range(0, len(chosen), frames)):
        pictures = [gray_from_frame(load_image(file)) for file in chosen[first : first + frames]]
        size = pictures[0].shape[::-1]
        scaled = [np.asarray(Image.fromarray(picture).resize(size)) for picture in pictures]
        yield object_from_pictures(scaled, who, number)
