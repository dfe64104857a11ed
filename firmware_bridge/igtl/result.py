"""What the peers are told: the answer and whether the AI is on; no patient, no probability, only steps.

::

    View | None -> Result -> STRING (JSON) + STATUS

In: the service's view, None where it is away. Out: bytes for every connected peer, at each change and each second.
Source: OpenIGTLink protocol v2, "STRING", "STATUS" (codes).
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass

from edge.manifest import RESEARCH_USE
from edge.service.view import View
from firmware_bridge.igtl.crc64 import crc64
from firmware_bridge.igtl.header import Header, bytes_from_header

DEVICES = {"STRING": "PlaneCheck", "STATUS": "PlaneCheckStatus"}  # some receivers keep one message a name
UTF8 = 106  # IANA MIBenum
STATUS_OK, STATUS_NOT_READY = 1, 13
AI_ON, AI_OFF = "AI on", "AI off"
STRING_HEAD = struct.Struct(">HH")
STATUS_HEAD = struct.Struct(">Hq20s")


@dataclass(frozen=True)
class Result:
    """One moment.

    Attributes:
        ai_on: the answer is of a frame younger than 2 s; else nothing else counts.
        answer: plane, "not_standard" or "not_covered"; "" where there is none.
        en: its English name; "" for one that is no plane.
        zh: its Chinese name.
        confidence: "low", "medium", "high" or "".
        left: planes that are still to be captured; None without an exam.
    """

    ai_on: bool
    answer: str = ""
    en: str = ""
    zh: str = ""
    confidence: str = ""
    left: int | None = None


def result_from_view(view: View | None) -> Result:
    """What to tell of a view; None: the service is away."""
    if view is None:
        return Result(False)
    checklist = view.exam.checklist if view.exam else None
    left = checklist.left if checklist else None
    live = checklist.live if checklist else None
    if not view.engine.ai_on or live is None or live.is_off:
        return Result(view.engine.ai_on and live is None, left=left)
    label = next((label for label in view.model.labels if label.id == live.answer), None)
    names = (label.en, label.zh) if label else ("", "")
    return Result(True, live.answer, *names, live.confidence or "", left)


def bytes_from_result(result: Result, wall_s: float) -> bytes:
    """STRING and STATUS, one behind the other.

    Args:
        result: to tell.
        wall_s: seconds since 1970, for the peers' records only.
    """
    text = json.dumps(asdict(result), ensure_ascii=False, separators=(",", ":")).encode()
    code, name = (STATUS_OK, AI_ON) if result.ai_on else (STATUS_NOT_READY, AI_OFF)
    status = STATUS_HEAD.pack(code, 0, name.encode()) + RESEARCH_USE.en.encode() + b"\0"
    string = STRING_HEAD.pack(UTF8, len(text)) + text
    return _message("STRING", string, wall_s) + _message("STATUS", status, wall_s)


def _message(kind: str, body: bytes, wall_s: float) -> bytes:
    return bytes_from_header(Header(1, kind, DEVICES[kind], int(wall_s * (1 << 32)), len(body), crc64(body))) + body
