# Made by generate.py with protoc, whose style is not this project's; its Mapping has no type arguments.
# ruff: noqa
# fmt: off
# mypy: disable-error-code="type-arg"
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNKNOWN: _ClassVar[Role]
    ROLE_BOX: _ClassVar[Role]
    ROLE_CART: _ClassVar[Role]

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_NONE: _ClassVar[Capability]
    CAPABILITY_LAMP: _ClassVar[Capability]
    CAPABILITY_BELL: _ClassVar[Capability]
    CAPABILITY_FREEZE_KEY: _ClassVar[Capability]
    CAPABILITY_FOOT_SWITCH: _ClassVar[Capability]
    CAPABILITY_CHECKLIST: _ClassVar[Capability]

class Refusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_NONE: _ClassVar[Refusal]
    REFUSAL_MAJOR: _ClassVar[Refusal]
    REFUSAL_SCHEMA: _ClassVar[Refusal]
    REFUSAL_ROLE: _ClassVar[Refusal]

class Button(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUTTON_UNKNOWN: _ClassVar[Button]
    BUTTON_FREEZE: _ClassVar[Button]
    BUTTON_FOOT: _ClassVar[Button]

class Answer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANSWER_NONE: _ClassVar[Answer]
    ANSWER_PLANE: _ClassVar[Answer]
    ANSWER_NOT_STANDARD: _ClassVar[Answer]
    ANSWER_NOT_COVERED: _ClassVar[Answer]

class Confidence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIDENCE_NONE: _ClassVar[Confidence]
    CONFIDENCE_LOW: _ClassVar[Confidence]
    CONFIDENCE_MEDIUM: _ClassVar[Confidence]
    CONFIDENCE_HIGH: _ClassVar[Confidence]

class Lamp(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAMP_UNKNOWN: _ClassVar[Lamp]
    LAMP_ATTENTION: _ClassVar[Lamp]

class LampPattern(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LAMP_PATTERN_OFF: _ClassVar[LampPattern]
    LAMP_PATTERN_ON: _ClassVar[LampPattern]
    LAMP_PATTERN_BLINK: _ClassVar[LampPattern]

class Signal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_UNKNOWN: _ClassVar[Signal]
    SIGNAL_CAPTURED: _ClassVar[Signal]
    SIGNAL_COMPLETE: _ClassVar[Signal]
    SIGNAL_ATTENTION: _ClassVar[Signal]

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_OK: _ClassVar[Status]
    STATUS_RATE_LIMITED: _ClassVar[Status]
    STATUS_UNKNOWN: _ClassVar[Status]
    STATUS_STALE: _ClassVar[Status]
    STATUS_FAILED: _ClassVar[Status]
ROLE_UNKNOWN: Role
ROLE_BOX: Role
ROLE_CART: Role
CAPABILITY_NONE: Capability
CAPABILITY_LAMP: Capability
CAPABILITY_BELL: Capability
CAPABILITY_FREEZE_KEY: Capability
CAPABILITY_FOOT_SWITCH: Capability
CAPABILITY_CHECKLIST: Capability
REFUSAL_NONE: Refusal
REFUSAL_MAJOR: Refusal
REFUSAL_SCHEMA: Refusal
REFUSAL_ROLE: Refusal
BUTTON_UNKNOWN: Button
BUTTON_FREEZE: Button
BUTTON_FOOT: Button
ANSWER_NONE: Answer
ANSWER_PLANE: Answer
ANSWER_NOT_STANDARD: Answer
ANSWER_NOT_COVERED: Answer
CONFIDENCE_NONE: Confidence
CONFIDENCE_LOW: Confidence
CONFIDENCE_MEDIUM: Confidence
CONFIDENCE_HIGH: Confidence
LAMP_UNKNOWN: Lamp
LAMP_ATTENTION: Lamp
LAMP_PATTERN_OFF: LampPattern
LAMP_PATTERN_ON: LampPattern
LAMP_PATTERN_BLINK: LampPattern
SIGNAL_UNKNOWN: Signal
SIGNAL_CAPTURED: Signal
SIGNAL_COMPLETE: Signal
SIGNAL_ATTENTION: Signal
STATUS_OK: Status
STATUS_RATE_LIMITED: Status
STATUS_UNKNOWN: Status
STATUS_STALE: Status
STATUS_FAILED: Status

class Hello(_message.Message):
    __slots__ = ("major", "minor", "schema_hash", "role", "boot_id", "heard_boot_id", "ready", "refusal", "capabilities", "rows", "firmware")
    MAJOR_FIELD_NUMBER: _ClassVar[int]
    MINOR_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_HASH_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    HEARD_BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FIRMWARE_FIELD_NUMBER: _ClassVar[int]
    major: int
    minor: int
    schema_hash: int
    role: Role
    boot_id: int
    heard_boot_id: int
    ready: bool
    refusal: Refusal
    capabilities: int
    rows: int
    firmware: str
    def __init__(self, major: _Optional[int] = ..., minor: _Optional[int] = ..., schema_hash: _Optional[int] = ..., role: _Optional[_Union[Role, str]] = ..., boot_id: _Optional[int] = ..., heard_boot_id: _Optional[int] = ..., ready: _Optional[bool] = ..., refusal: _Optional[_Union[Refusal, str]] = ..., capabilities: _Optional[int] = ..., rows: _Optional[int] = ..., firmware: _Optional[str] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("event_id", "button", "pressed", "time_ms", "age_ms")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    BUTTON_FIELD_NUMBER: _ClassVar[int]
    PRESSED_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    button: Button
    pressed: bool
    time_ms: int
    age_ms: int
    def __init__(self, event_id: _Optional[int] = ..., button: _Optional[_Union[Button, str]] = ..., pressed: _Optional[bool] = ..., time_ms: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class PlaneResult(_message.Message):
    __slots__ = ("answer", "row", "confidence", "age_ms", "synthetic", "plane")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    PLANE_FIELD_NUMBER: _ClassVar[int]
    answer: Answer
    row: int
    confidence: Confidence
    age_ms: int
    synthetic: bool
    plane: str
    def __init__(self, answer: _Optional[_Union[Answer, str]] = ..., row: _Optional[int] = ..., confidence: _Optional[_Union[Confidence, str]] = ..., age_ms: _Optional[int] = ..., synthetic: _Optional[bool] = ..., plane: _Optional[str] = ...) -> None: ...

class Checklist(_message.Message):
    __slots__ = ("is_open", "is_paused", "total", "captured", "low_quality", "not_obtainable", "not_covered")
    IS_OPEN_FIELD_NUMBER: _ClassVar[int]
    IS_PAUSED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    LOW_QUALITY_FIELD_NUMBER: _ClassVar[int]
    NOT_OBTAINABLE_FIELD_NUMBER: _ClassVar[int]
    NOT_COVERED_FIELD_NUMBER: _ClassVar[int]
    is_open: bool
    is_paused: bool
    total: int
    captured: int
    low_quality: int
    not_obtainable: int
    not_covered: int
    def __init__(self, is_open: _Optional[bool] = ..., is_paused: _Optional[bool] = ..., total: _Optional[int] = ..., captured: _Optional[int] = ..., low_quality: _Optional[int] = ..., not_obtainable: _Optional[int] = ..., not_covered: _Optional[int] = ...) -> None: ...

class Led(_message.Message):
    __slots__ = ("event_id", "lamp", "pattern")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    LAMP_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    lamp: Lamp
    pattern: LampPattern
    def __init__(self, event_id: _Optional[int] = ..., lamp: _Optional[_Union[Lamp, str]] = ..., pattern: _Optional[_Union[LampPattern, str]] = ...) -> None: ...

class Buzz(_message.Message):
    __slots__ = ("event_id", "signal")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    signal: Signal
    def __init__(self, event_id: _Optional[int] = ..., signal: _Optional[_Union[Signal, str]] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("uptime_s", "bad_frames", "lost_inputs", "ai_on", "has_result", "result_age_ms")
    UPTIME_S_FIELD_NUMBER: _ClassVar[int]
    BAD_FRAMES_FIELD_NUMBER: _ClassVar[int]
    LOST_INPUTS_FIELD_NUMBER: _ClassVar[int]
    AI_ON_FIELD_NUMBER: _ClassVar[int]
    HAS_RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    uptime_s: int
    bad_frames: int
    lost_inputs: int
    ai_on: bool
    has_result: bool
    result_age_ms: int
    def __init__(self, uptime_s: _Optional[int] = ..., bad_frames: _Optional[int] = ..., lost_inputs: _Optional[int] = ..., ai_on: _Optional[bool] = ..., has_result: _Optional[bool] = ..., result_age_ms: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence", "status")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    status: Status
    def __init__(self, sequence: _Optional[int] = ..., status: _Optional[_Union[Status, str]] = ...) -> None: ...

class TimeSync(_message.Message):
    __slots__ = ("is_answer", "sent_ms", "echo_ms")
    IS_ANSWER_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    ECHO_MS_FIELD_NUMBER: _ClassVar[int]
    is_answer: bool
    sent_ms: int
    echo_ms: int
    def __init__(self, is_answer: _Optional[bool] = ..., sent_ms: _Optional[int] = ..., echo_ms: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("sequence", "hello", "input", "plane_result", "checklist", "led", "buzz", "health", "ack", "time_sync")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PLANE_RESULT_FIELD_NUMBER: _ClassVar[int]
    CHECKLIST_FIELD_NUMBER: _ClassVar[int]
    LED_FIELD_NUMBER: _ClassVar[int]
    BUZZ_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    TIME_SYNC_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    hello: Hello
    input: Input
    plane_result: PlaneResult
    checklist: Checklist
    led: Led
    buzz: Buzz
    health: Health
    ack: Ack
    time_sync: TimeSync
    def __init__(self, sequence: _Optional[int] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., input: _Optional[_Union[Input, _Mapping]] = ..., plane_result: _Optional[_Union[PlaneResult, _Mapping]] = ..., checklist: _Optional[_Union[Checklist, _Mapping]] = ..., led: _Optional[_Union[Led, _Mapping]] = ..., buzz: _Optional[_Union[Buzz, _Mapping]] = ..., health: _Optional[_Union[Health, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., time_sync: _Optional[_Union[TimeSync, _Mapping]] = ...) -> None: ...
