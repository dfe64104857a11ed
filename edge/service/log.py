"""Structured logs that cannot carry patient data: JSON lines of known keys with known values.

A log leaves the box more easily than anything else. So there is no free text: a key that is not in the table, or a
value that does not fit its key, is left out and counted in the line's "withheld".
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TextIO

from edge.errors import EdgeError

WORD = re.compile(r"[a-z]{1,16}(_[a-z]{1,16}){0,3}")
WORDS = frozenset(
    (
        *("running", "lost", "frozen", "ended"),  # signal
        *("starting", "ready", "waiting", "closed"),  # child
        *("killed", "hung", "memory", "exited", "nonsense", "failed"),  # why a child was lost
        *("folder", "video", "camera", "demo", "bridge", "other"),  # sources
        *("dicom", "openigtlink", "cart", "page"),  # sinks
        *("machine", "peer", "usage", "input", "image", "labels", "checkpoint", "model"),  # kinds of edge.errors
        *("device", "gate", "trust"),
    )
)
DIGEST = re.compile(r"[0-9a-f]{64}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 40


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value in WORDS


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


KEYS: Mapping[str, Callable[[object], bool]] = {
    "source": _is_word,
    "signal": _is_word,
    "child": _is_word,
    "reason": _is_word,
    "sink": _is_word,
    "ai_on": _is_flag,
    "frames": _is_count,
    "dropped": _is_count,
    "stale": _is_count,
    "answered": _is_count,
    "refused": _is_count,
    "lost": _is_count,
    "restarts": _is_count,
    "exit_code": _is_count,
    "captured": _is_count,
    "missing": _is_count,
    "exams": _is_count,
    "p50_ms": _is_figure,
    "p99_ms": _is_figure,
    "age_s": _is_figure,
    "celsius": _is_figure,
    "bundle": _is_digest,
}


def word_from_error(error: EdgeError) -> str:
    """The kind of an error as a word for logs: its texts may name a path or a patient."""
    return type(error).__name__.removesuffix("Error").lower()


class Log:
    """Writes lines to a stream; systemd's journal reads a service's standard error."""

    def __init__(self, stream: TextIO, wall: Callable[[], str]) -> None:
        """Nothing is written yet.

        Args:
            stream: text, line by line.
            wall: UTC, ISO 8601.
        """
        self._stream = stream
        self._wall = wall

    def write(self, event: str, **fields: object) -> None:
        """One line; a stream that takes none (its disk is full, its reader is gone) is no reason to end an examination.

        Args:
            event: what happened, lower-case words joined by "_", written in the program and never made of data.
            fields: of KEYS.
        """
        line = line_from_event(event, fields, self._wall())
        with contextlib.suppress(OSError):
            self._stream.write(line + "\n")
            self._stream.flush()


def line_from_event(event: str, fields: Mapping[str, object], wall: str) -> str:
    """One line of JSON, without what does not belong into a log."""
    name = event if WORD.fullmatch(event) else "withheld"
    kept = {key: value for key, value in fields.items() if key in KEYS and KEYS[key](value)}
    withheld = {"withheld": len(fields) - len(kept)} if len(kept) < len(fields) else {}
    return json.dumps({"time": wall, "event": name, **kept, **withheld}, separators=(",", ":"))
