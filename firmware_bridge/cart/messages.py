"""Messages of `proto/cart.proto` as frozen dataclasses, and their bytes.

::

    Input(event_id=7, ...) --sequence--> Message of protobuf's runtime <--> bytes

In: values, or bytes of a stranger. Out: bytes, or a value; None for bytes that are no message. A test holds the
dataclasses to the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from firmware_bridge.proto.cart_pb2 import Message as Wire


class Role(IntEnum):
    """Which end."""

    UNKNOWN = 0
    BOX = 1
    CART = 2


class Capability(IntEnum):
    """Bits of `Hello.capabilities`."""

    NONE = 0
    LAMP = 1
    BELL = 2
    FREEZE_KEY = 4
    FOOT_SWITCH = 8
    CHECKLIST = 16


class Refusal(IntEnum):
    """Why a peer is refused."""

    NONE = 0
    MAJOR = 1
    SCHEMA = 2
    ROLE = 3


class Button(IntEnum):
    """What was pressed."""

    UNKNOWN = 0
    FREEZE = 1
    FOOT = 2


class ResultAnswer(IntEnum):
    """What the model said; `Answer` in the schema."""

    NONE = 0
    PLANE = 1
    NOT_STANDARD = 2
    NOT_COVERED = 3


class Confidence(IntEnum):
    """Three steps, never a percentage."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Lamp(IntEnum):
    """What the box may light; "AI off" is the cart's own."""

    UNKNOWN = 0
    ATTENTION = 1


class LampPattern(IntEnum):
    """How it lights."""

    OFF = 0
    ON = 1
    BLINK = 2


class Signal(IntEnum):
    """What the bell says."""

    UNKNOWN = 0
    CAPTURED = 1
    COMPLETE = 2
    ATTENTION = 3


class Status(IntEnum):
    """How an event was answered."""

    OK = 0
    RATE_LIMITED = 1
    UNKNOWN = 2
    STALE = 3
    FAILED = 4


@dataclass(frozen=True)
class Hello:
    """Who speaks; units and ranges of every field stand in the schema."""

    major: int
    minor: int
    schema_hash: int
    role: int
    boot_id: int
    heard_boot_id: int
    ready: bool
    refusal: int
    capabilities: int
    rows: int
    firmware: str


@dataclass(frozen=True)
class Input:
    """A key went down or up."""

    event_id: int
    button: int
    pressed: bool
    time_ms: int
    age_ms: int


@dataclass(frozen=True)
class PlaneResult:
    """The last answer."""

    answer: int
    row: int
    confidence: int
    age_ms: int
    synthetic: bool
    plane: str


@dataclass(frozen=True)
class Checklist:
    """The open exam; bit i is row i."""

    is_open: bool
    is_paused: bool
    total: int
    captured: int
    low_quality: int
    not_obtainable: int
    not_covered: int


@dataclass(frozen=True)
class Led:
    """Light a lamp."""

    event_id: int
    lamp: int
    pattern: int


@dataclass(frozen=True)
class Buzz:
    """Ring the bell."""

    event_id: int
    signal: int


@dataclass(frozen=True)
class Health:
    """Alive; each side fills its own part."""

    uptime_s: int
    bad_frames: int
    lost_inputs: int
    ai_on: bool
    has_result: bool
    result_age_ms: int


@dataclass(frozen=True)
class Ack:
    """Answers an Input, Led or Buzz."""

    sequence: int
    status: int


@dataclass(frozen=True)
class TimeSync:
    """Asks for the other clock, or answers."""

    is_answer: bool
    sent_ms: int
    echo_ms: int


Body = Union[Hello, Input, PlaneResult, Checklist, Led, Buzz, Health, Ack, TimeSync]
Event = Union[Input, Led, Buzz]  # acknowledged, repeated, never lost, never doubled
BODIES: Mapping[str, type[Body]] = {
    "hello": Hello,
    "input": Input,
    "plane_result": PlaneResult,
    "checklist": Checklist,
    "led": Led,
    "buzz": Buzz,
    "health": Health,
    "ack": Ack,
    "time_sync": TimeSync,
}  # field of the oneof -> class


@dataclass(frozen=True)
class Message:
    """What a frame holds.

    Attributes:
        sequence: counts what its side sent, from 1; a repetition keeps it.
        body: what is said; None: something that this version does not know.
    """

    sequence: int
    body: Body | None


def bytes_from_message(message: Message) -> bytes:
    """Serialize.

    Raises:
        ValueError: a number is out of its field's range, or there is no body.
    """
    if message.body is None:
        raise ValueError("a message without a body says nothing")
    (name,) = [name for name, kind in BODIES.items() if type(message.body) is kind]
    body: dict[str, Any] = {name: asdict(message.body)}
    return _wire_class()(sequence=message.sequence, **body).SerializeToString(deterministic=True)


def message_from_bytes(data: bytes) -> Message | None:
    """Parse; unknown fields are ignored, as protobuf has it. None: no message."""
    from google.protobuf.message import DecodeError

    wire = _wire_class()()
    try:
        wire.ParseFromString(data)
    except DecodeError:
        return None
    name = wire.WhichOneof("body")
    if name is None:
        return Message(wire.sequence, None)
    body, kind = getattr(wire, name), BODIES[name]
    return Message(wire.sequence, kind(**{field.name: getattr(body, field.name) for field in fields(kind)}))


def _wire_class() -> type[Wire]:
    """Imported when it is first needed: protobuf takes its time."""
    from firmware_bridge.proto.cart_pb2 import Message as Wire

    return Wire
