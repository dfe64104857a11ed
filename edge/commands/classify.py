"""`edge classify`: which plane every frame of images, folders, DICOM files and videos shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.terminal import (
    AsJson,
    Threads,
    names_from_manifest,
    show_json,
    show_notices,
    show_research_line,
    show_table,
    user_keyring,
)
from edge.errors import DeviceError, InputError

if TYPE_CHECKING:
    from edge.commands.overlays import Overlays
    from edge.manifest import Manifest
    from edge.prediction import Prediction
    from edge.session import Session

ATTENTION = Annotated[
    Optional[Path],
    typer.Option("--attention", help="Write a PNG of every frame into this folder: where the network looked."),
]
SCHEMA = 1  # of a JSON line; raised when a key changes its meaning


@dataclass(frozen=True)
class Answer:
    """One frame with its prediction, or one input that could not be read; `attention`: the picture written for it."""

    input: str
    frame: int
    time_ms: float | None
    prediction: Prediction | None
    error: str
    machine: str = ""
    attention: str = ""


def classify(
    bundle: Annotated[Path, typer.Argument(help="The .edge file.")],
    paths: Annotated[list[Path], typer.Argument(help="Images, folders, DICOM files, videos.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many planes to list for a frame.")] = 3,
    attention: ATTENTION = None,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Name the plane that each frame shows."""
    from edge.session import open_session

    with open_session(bundle, threads=threads, keyring=user_keyring()) as session:
        overlays = None
        if attention is not None:
            from edge.commands.overlays import overlays_from_session

            overlays = overlays_from_session(session, attention, paths)
        show_notices(session.notices)
        answers = _told_of_machines(answers_from_paths(session, paths, overlays), session.manifest)
        bad = _show_lines(answers, top, session.manifest.watermark) if as_json else _show_rows(answers, top, session)
        show_research_line(session.manifest.notice, as_json)
    if bad:
        raise InputError(
            f"{bad} of the inputs could not be read; the others were answered.", "Correct or leave out the ones marked."
        )


def answers_from_paths(session: Session, paths: list[Path], overlays: Overlays | None = None) -> Iterator[Answer]:
    """Answer frame after frame; an input that cannot be read is an answer with an error, and the next one follows.

    Args:
        session: an open one.
        paths: files and folders.
        overlays: where attention maps are written; None: nowhere.

    Raises:
        MachineError: an attention map cannot be written.
    """
    from edge.sources.images import files_from_path

    for path in paths:
        try:
            files = files_from_path(path)
        except InputError as error:
            yield Answer(str(path), 0, None, None, str(error))
            continue
        for file in files:
            yield from _answers_from_file(session, file, overlays)


def _answers_from_file(session: Session, file: Path, overlays: Overlays | None) -> Iterator[Answer]:
    from edge.sources.images import frames_from_file

    try:
        for frame in frames_from_file(file):
            prediction = session.classify(frame.pixels)
            written = str(overlays.save(session, frame, prediction)) if overlays else ""
            yield Answer(frame.input, frame.index, frame.time_ms, prediction, "", frame.machine, written)
    except (InputError, DeviceError) as error:  # the latter: no decoder installed for this kind of file
        yield Answer(str(file), 0, None, None, str(error))


def _told_of_machines(answers: Iterator[Answer], manifest: Manifest) -> Iterator[Answer]:
    """Pass answers on and say, once a scanner model, that the model was not measured on it."""
    told: set[str] = set()
    for answer in answers:
        if answer.machine and answer.machine not in told and not manifest.is_measured_on(answer.machine):
            told.add(answer.machine)
            measured = ", ".join(manifest.machines) or "none"
            show_notices([f"Not measured on this scanner: {answer.machine} (measured on: {measured})."])
        yield answer


def line_from_answer(answer: Answer, top: int, watermark: str | None) -> dict[str, Any]:
    """The JSON line of one answer, as docs/integrator.md lists it."""
    prediction = answer.prediction
    if prediction is None:
        return {"input": answer.input, "error": answer.error}
    return {
        "schema": SCHEMA,
        "input": answer.input,
        "frame": answer.frame,
        "time_ms": answer.time_ms,
        "plane": prediction.plane,
        "probability": round(prediction.probability, 6),
        "accepted": prediction.accepted,
        "answer": prediction.answer,
        "top": [[plane, round(chance, 6)] for plane, chance in prediction.top[:top]],
        "latency_ms": round(prediction.latency_ms, 3),
        **({"watermark": watermark} if watermark else {}),
        **({"attention": answer.attention} if answer.attention else {}),
    }


def _show_lines(answers: Iterator[Answer], top: int, watermark: str | None) -> int:
    bad = 0
    for answer in answers:
        bad += answer.prediction is None
        show_json(line_from_answer(answer, top, watermark))
    return bad


def _show_rows(answers: Iterator[Answer], top: int, session: Session) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names, bad = names_from_manifest(session.manifest), 0
    table = Table(caption=session.manifest.watermark)
    for title in ("image", "answer", "probability", "plane", "ms"):
        table.add_column(title, justify="right" if title in ("probability", "ms") else "left", overflow="fold")
    with Console(stderr=True).status("classifying") as status:
        for count, answer in enumerate(answers, 1):
            status.update(f"{count} frames")
            bad += answer.prediction is None
            table.add_row(*(Text(cell) for cell in _cells(answer, top, names)))
    show_table(table)
    return bad


def _cells(answer: Answer, top: int, names: dict[str, str]) -> tuple[str, ...]:
    prediction = answer.prediction
    place = f"{answer.input} [{answer.frame}]" if answer.frame or answer.time_ms is not None else answer.input
    if prediction is None:
        return place, f"error: {answer.error}", "", "", ""
    shown = names[prediction.answer] if prediction.accepted else f"{names[prediction.answer]}\n{prediction.reason}"
    others = [f"{chance:.2f} {plane}" for plane, chance in prediction.top[1:top] if chance >= 0.005]
    planes = "\n".join([names[prediction.plane], *others])
    return place, shown, f"{prediction.probability:.2f}", planes, f"{prediction.latency_ms:.1f}"
