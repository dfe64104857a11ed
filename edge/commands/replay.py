"""`edge replay`: the checklist of a stored exam, or of a video or folder, the same bytes each time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.stores import StoreFile, opened_reader
from edge.commands.terminal import AsJson, Threads, show_notices, show_research_line, show_table, user_keyring
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.checklist import Checklist, Row
    from edge.exam_replay import Replay

What = Annotated[str, typer.Argument(metavar="EXAM|VIDEO", help="Id of a stored exam; or a video, image or folder.")]
Bundle = Annotated[Optional[Path], typer.Option("--bundle", help="The .edge file that answers a video.")]
Asked = Annotated[Optional[str], typer.Option("--protocol", help="Name or .toml file; default: the bundle's.")]
Region = Annotated[
    Optional[str], typer.Option("--roi", help="X,Y,W,H[@WxH]: what of a picture is looked at; default: a video's fan.")
]
Output = Annotated[Optional[Path], typer.Option("-o", help="Write the JSON into this file as well.")]


def replay(
    what: What,
    bundle: Bundle = None,
    protocol: Asked = None,
    roi: Region = None,
    output: Output = None,
    store: StoreFile = None,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Fold an exam again, or make one of every frame of a video: its checklist, byte for byte the same each time."""
    from edge.files import write_atomic
    from edge.record import bytes_from_record

    path = Path(what)
    if path.exists():
        done = _replay_of_clip(path, bundle, protocol, roi, threads, as_json)
    else:
        _check_exam(what, [bundle, protocol, roi])
        done = _replay_of_exam(what, store)
    data = bytes_from_record(done)
    if output is not None:
        write_atomic(output, data + b"\n")
    if as_json:
        typer.echo(data.decode())
    else:
        _show_checklist(done)
    show_research_line(done.research_use, as_json)


def _check_exam(what: str, of_clips: list[object]) -> None:
    from edge.audit import EXAM

    if not EXAM.fullmatch(what):
        raise UsageError(f"{what} is neither a file, a folder nor the id of an exam.", "See: edge exam list.")
    if any(option is not None for option in of_clips):
        raise UsageError(
            "A stored exam has its model, protocol and region.", "Leave --bundle, --protocol and --roi out."
        )


def _replay_of_exam(exam: str, store: Path | None) -> Replay:
    from edge.exam_marks import marks_from_about
    from edge.exam_replay import replay_from_exam, stored_exam

    with opened_reader(store) as reader, reader.snapshot():
        stored, marks = stored_exam(reader, exam), marks_from_about(reader.about(exam))
    return replay_from_exam(stored.exam, len(stored.events), marks.watermark if marks else None)


def _replay_of_clip(
    path: Path, bundle: Path | None, protocol: str | None, roi: str | None, threads: int, quiet: bool
) -> Replay:
    from edge.clip_replay import digests_from_files, events_from_pictures, opened_from_digests, pictures_from_files
    from edge.commands.progress import progress_bar
    from edge.exam import exam_from_events
    from edge.exam_replay import replay_from_exam
    from edge.protocol import protocol_from_name
    from edge.service.roi import HeldRoi, roi_from_text
    from edge.session import open_session
    from edge.sources.images import files_from_path

    if bundle is None:
        raise UsageError("A video needs a model.", "Name it: --bundle NAME.edge.")
    region = None if roi is None else roi_from_text(roi)
    files = files_from_path(path)
    with open_session(bundle, threads=threads, keyring=user_keyring()) as session, progress_bar(quiet) as progress:
        show_notices(session.notices)
        asked = protocol_from_name(protocol or session.manifest.protocol.id)
        told = [*digests_from_files(files), *([] if region is None else [str(region)])]
        opened = opened_from_digests(session.manifest, session.digest, asked, told)
        cut = None if region is None else HeldRoi(region).cut
        pictures = pictures_from_files(files, cut, lambda count: progress("replaying", count / len(files)))
        events = list(events_from_pictures(opened, pictures, session.classify))
        return replay_from_exam(exam_from_events(events), len(events), session.manifest.watermark)


def _show_checklist(done: Replay) -> None:
    from rich.table import Table
    from rich.text import Text

    checklist = done.checklist
    table = Table(caption=done.watermark, title=_title(checklist))
    for name in ("region", "plane", "state", "confidence", "frame"):
        table.add_column(name, overflow="fold")
    region = ""
    for row in checklist.rows:
        place = f"{row.region_en} / {row.region_zh}" + (f", fetus {row.fetus}" if checklist.fetuses > 1 else "")
        if region and place != region:
            table.add_section()
        table.add_row(*(Text(cell) for cell in (place if place != region else "", *_cells(row))))
        region = place
    show_table(table)
    typer.echo(f"exam {done.exam}, {done.events} events, state sha256:{done.state_sha256}")


def _title(checklist: Checklist) -> str:
    return f"{checklist.left} required planes open, {checklist.weak} of low quality, {len(checklist.tray)} in the tray"


def _cells(row: Row) -> tuple[str, ...]:
    from edge.reports.words import CONFIDENCES, STATES, both

    confidence = both(CONFIDENCES[row.confidence]) if row.frame else ""
    reason = f": {row.reason}" if row.reason else ""
    return f"{row.en} / {row.zh}", f"{both(STATES[row.state])}{reason}", confidence, row.frame or ""
