"""The rows of the store: an event's JSON or an image in, the stored bytes out; and rows as readers get them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import InputError
from edge.files import sha256_from_bytes
from edge.record import json_from_bytes

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
    """The JSON that `salted_from_event` wrote."""
    event: Mapping[str, Any] = json_from_bytes(salted[SALT_BYTES:])
    return event


def content_from_stored(*parts: bytes) -> str:
    """What the chain holds of a row: one digest over its stored parts; none can pass for a part of its neighbour."""
    return sha256_from_bytes("".join(sha256_from_bytes(part) for part in parts).encode())


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
