"""The rows of the store: an event's JSON or an image in, the stored bytes out; and rows as readers get them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.audit import AuditEntry, digest_from_entry
from edge.errors import InputError, TrustError
from edge.exam_vault import Place
from edge.files import sha256_from_bytes
from edge.record import RecordError, json_from_bytes, record_from_json

SALT_BYTES = 16  # 128 bits
MAX_EVENT_BYTES = 1 << 18  # an event is a few hundred bytes; more is another thing
MAX_JPEG_BYTES = 1 << 23  # a 1920x1080 frame at quality 95 has about 1 MiB
JPEG_START = b"\xff\xd8"  # ITU-T T.81, B.1.1.3: start of image


@dataclass(frozen=True)
class ExamSummary:
    """An exam without anything of its patient.

    Attributes:
        exam: its UUID.
        operator: id of who did its last event, or "unauthenticated".
        bundle: SHA-256 of the bundle.
        opened: UTC as told when it was opened.
        last: UTC as told at its last event, or when it was opened.
        events: how many were recorded.
        captures: how many of them hold an image.
    """

    exam: str
    operator: str
    bundle: str
    opened: str
    last: str
    events: int
    captures: int


@dataclass(frozen=True)
class StoredEvent:
    """One event as it was appended.

    Attributes:
        sequence: 1, 2, ... within the exam.
        kind: of the event.
        wall: UTC, as told.
        event: its JSON.
        has_jpeg: whether an image belongs to it.
    """

    sequence: int
    kind: str
    wall: str
    event: Mapping[str, Any]
    has_jpeg: bool


@dataclass(frozen=True)
class StoredContent:
    """What an audit entry must agree with; the attributes are called as there."""

    exam: str
    sequence: int
    kind: str
    operator: str
    bundle: str
    wall: str
    content: str


def salted_from_event(event: Mapping[str, Any]) -> bytes:
    """Canonical JSON behind a random salt, which makes the audit's digest of a short text unguessable.

    Raises:
        InputError: it is no JSON, or too long.
    """
    try:
        text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        plain = text.encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"The event is not JSON ({error}).", "Give text, finite numbers, lists, objects.") from error
    if len(plain) > MAX_EVENT_BYTES:
        raise InputError(
            f"The event has {len(plain)} bytes, {MAX_EVENT_BYTES} are taken.", "Give images as images, not in events."
        )
    return secrets.token_bytes(SALT_BYTES) + plain


def event_from_salted(salted: bytes) -> Mapping[str, Any]:
    """The JSON that `salted_from_event` wrote.

    Raises:
        RecordError: it is something else.
    """
    event: Mapping[str, Any] = json_from_bytes(salted[SALT_BYTES:])
    return event


def content_from_stored(*parts: object) -> str:
    """What the chain holds of a row: one digest over its stored parts; none can pass for a part of its neighbour.

    Args:
        parts: as they lie in the store; one that is no bytes any more (SQLite keeps any type anywhere) gives "".
    """
    digests = [sha256_from_bytes(part) for part in parts if isinstance(part, bytes)]
    if len(digests) < len(parts):
        return ""  # no entry of the chain holds that: whoever compares says where
    return sha256_from_bytes("".join(digests).encode())


def check_jpeg(jpeg: bytes) -> None:
    """Refuse what is no image.

    Raises:
        InputError: it is no JPEG, or too large.
    """
    if not jpeg.startswith(JPEG_START) or len(jpeg) > MAX_JPEG_BYTES:
        raise InputError(
            f"The capture's image ({len(jpeg)} bytes) is no JPEG of at most {MAX_JPEG_BYTES} bytes.",
            "Give the region of interest as JPEG.",
        )


def entry_from_stored(text: object, digest: object) -> AuditEntry:
    """One row of the audit log.

    Raises:
        TrustError: it is no audit entry, or was altered.
    """
    try:
        if not isinstance(text, str):
            raise RecordError("no text")
        entry = record_from_json(AuditEntry, json_from_bytes(text.encode()))
    except RecordError as error:
        raise _not_audit(f"holds something else ({error})") from error
    if digest_from_entry(entry) != digest:
        raise _not_audit(f"holds a wrong digest of entry {entry.number}")
    return entry


def summary_from_row(row: tuple[Any, ...]) -> ExamSummary:
    """Texts whatever became of them in the file: a damaged time is one that cannot be read, and its exam is kept.

    Args:
        row: exam, operator, bundle, opened, number of events and of captures, time of the last event or None.
    """
    *texts, events, captures, last = row
    exam, operator, bundle, opened = map(str, texts)
    return ExamSummary(exam, operator, bundle, opened, str(last or opened), events, captures)


def damaged_record(place: Place) -> InputError:
    """The error of a record that holds something else; nothing of its content is told, which may be a name."""
    return InputError(
        f"Record {place.sequence} of exam {place.exam} ({place.table}) is damaged.",
        "Keep the file as it is and restore the store's backup.",
    )


def _not_audit(what: str) -> TrustError:
    return TrustError(f"The audit log {what}.", "Keep the file as it is and restore the store's backup.")
