"""The states that a page must show, by name, and a command to look at the page in them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.errors import EdgeError, MachineError
from edge.exam_events import Ended, NotObtainable, Paused
from edge.manifest import Notice
from edge.page.doors import ServerSettings, open_doors
from edge.page.server import served
from tests.edge.page.scripted_bedside import WALL, ScriptedBedside

DEVELOPMENT = Notice("Signed with a development key of this machine.", "使用本机开发密钥签名，不是正式发布版本。")
GATE_SKIPPED = Notice("The accuracy gate was skipped.", "该模型包生成时跳过了准确性检验。")


def _exam(box: ScriptedBedside, fetuses: int = 1) -> str:
    """An exam in the midst: captured, confirmed, weak, not obtainable, and the rest missing."""
    exam = box.open(fetuses=fetuses)
    box.scan("abdomen")
    box.scan("femur", probability=0.7)
    box.press("brain_transthalamic", low_quality=True, confidence="medium")
    box.fold(NotObtainable(exam, time.monotonic(), WALL, "op7", "thorax", 1, "position"))
    return exam


def _complete(box: ScriptedBedside) -> None:
    box.open()
    for plane in box.covered:
        box.scan(plane)


def _twins(box: ScriptedBedside) -> None:
    _exam(box, fetuses=2)


def _tray(box: ScriptedBedside) -> None:
    _exam(box)
    for _ in range(3):
        box.press(None)


def _changed(box: ScriptedBedside) -> None:
    _exam(box)
    box.put_up(box.open("P-0002", "S-9"), changed=True)


def _paused(box: ScriptedBedside) -> None:
    box.fold(Paused(_exam(box), time.monotonic(), WALL, "op7"))


def _ended(box: ScriptedBedside) -> None:
    box.fold(Ended(_exam(box), time.monotonic(), WALL, "op7"))
    box.show(late_stills=2)


def _full(box: ScriptedBedside) -> None:
    error = MachineError("The disk is full.", "Free some space.")
    box.show(store__state="full", store__reason="The disk is full.", store__refused=3, refusal=error)


def _lost(box: ScriptedBedside) -> None:
    box.show(source__signal="lost", engine__ai_on=False, answered_age_s=7.0, engine__cause="The camera is gone.")


def _demo(box: ScriptedBedside) -> None:
    box.show(source__is_demo=True, source__kind="demo", source__credit="Images: a data set (CC BY 4.0)")


def _no_threshold(box: ScriptedBedside) -> None:
    box.show(model__has_threshold=False)


def _unmeasured(box: ScriptedBedside) -> None:
    box.show(source__scanner="HS60", source__is_measured=False)


STATES: Mapping[str, Callable[[ScriptedBedside], object]] = {
    "empty": lambda box: None,
    "exam": _exam,
    "complete": _complete,
    "twins": _twins,
    "tray": _tray,
    "changed": _changed,
    "paused": _paused,
    "ended": _ended,
    "no_signal": _lost,
    "frozen": lambda box: box.show(source__signal="frozen"),
    "source_ended": lambda box: box.show(source__signal="ended", engine__ai_on=False),
    "ai_off": lambda box: box.show(engine__ai_on=False, engine__state="waiting", answered_age_s=9.0, engine_away=True),
    "starting": lambda box: box.show(engine__ai_on=False, engine__state="starting", source__frame=None),
    "store_full": _full,
    "store_failed": lambda box: box.show(store__state="failed", store__reason="The disk does not answer."),
    "watermark": lambda box: box.show(model__watermark="TRAINED ON PHANTOMS"),
    "notices": lambda box: box.show(model__notices=(DEVELOPMENT, GATE_SKIPPED)),
    "no_threshold": _no_threshold,
    "unmeasured": _unmeasured,
    "demo": _demo,
}


def bedside_in(*states: str, protocol: str = "demo") -> ScriptedBedside:
    """A plane check in these states, one after the other."""
    box = ScriptedBedside(protocol=protocol)
    for state in states:
        STATES[state](box)
    return box


def main() -> None:
    """Serve the page until it is interrupted; with --scan frames go on and capture one plane after another."""
    parser = argparse.ArgumentParser(description="The page over a scripted plane check.")
    parser.add_argument("--port", type=int, default=8711)
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--state", action="append", choices=STATES, default=[])
    parser.add_argument("--protocol", default="demo")
    parser.add_argument(
        "--scan", action="store_true", help="every other two seconds live frames show a plane, one after the other"
    )
    options = parser.parse_args()
    box = bedside_in(*(options.state or ["exam"]), protocol=options.protocol)
    try:
        settings = ServerSettings(port=options.port, socket=options.socket)
        with open_doors(settings) as doors, served(box, settings, doors, failed=print) as page:
            print(page.url, flush=True)
            _run(box, options.scan)
    except KeyboardInterrupt:
        return
    except EdgeError as error:
        raise SystemExit(f"{error.cause} {error.cure}") from error


def _run(box: ScriptedBedside, scan: bool) -> None:
    started_s = time.monotonic()
    while True:
        time.sleep(0.1)
        turn = int(time.monotonic() - started_s) // 2
        box.tick(box.covered[turn // 2 % len(box.covered)] if scan and turn % 2 else None)
