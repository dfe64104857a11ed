"""What a bridge says of its signal, besides sending frames: that it is lost, and why.

In: JSON of another process, read strictly. Out: a `SignalNote`, or one line of cause and cure.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from edge.errors import InputError
from edge.record import RecordError, record_from_json
from edge.service.signal_state import Signal

MAX_TEXT = 200  # characters; one line on the page
SOURCE = re.compile(r"[a-z]{1,16}")


@dataclass(frozen=True)
class SignalNote:
    """One bridge's word.

    Attributes:
        source: kind of the bridge, as in X-Source.
        signal: of its device or peer.
        cause: one line for a person; "" where there is none.
        cure: the same.
    """

    source: str
    signal: Signal
    cause: str
    cure: str


def note_from_json(data: object) -> SignalNote:
    """Read a note.

    Args:
        data: parsed JSON, an object with exactly the note's fields.

    Raises:
        InputError: a field is missing, unknown, or does not hold what it should.
    """
    try:
        note = record_from_json(SignalNote, data)
        if SOURCE.fullmatch(note.source) is None:
            raise RecordError("source is expected to be 1 to 16 letters a-z")
        _check_line("cause", note.cause)
        _check_line("cure", note.cure)
    except RecordError as error:
        raise InputError(f"The signal is not valid: {error}.", "See docs/integrator.md.") from error
    return note


def _check_line(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RecordError(f"{name} has {len(text)} characters, expected at most {MAX_TEXT}")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") for letter in text):
        raise RecordError(f"{name} is expected to be one line without control characters")
