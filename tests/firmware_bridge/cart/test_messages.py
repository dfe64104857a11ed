"""The dataclasses are the schema's messages, field for field."""

from __future__ import annotations

from dataclasses import fields
from enum import IntEnum

import pytest

from firmware_bridge.cart import messages
from firmware_bridge.cart.messages import BODIES, Ack, Hello, Input, Message, bytes_from_message, message_from_bytes
from firmware_bridge.proto import cart_pb2
from firmware_bridge.proto.schema import SCHEMA_HASH

ENUMS = {
    "Role": messages.Role,
    "Capability": messages.Capability,
    "Refusal": messages.Refusal,
    "Button": messages.Button,
    "Answer": messages.ResultAnswer,
    "Confidence": messages.Confidence,
    "Lamp": messages.Lamp,
    "LampPattern": messages.LampPattern,
    "Signal": messages.Signal,
    "Status": messages.Status,
}


def test_every_body_of_the_schema_has_its_dataclass() -> None:
    (one,) = cart_pb2.Message.DESCRIPTOR.oneofs
    assert {field.name: field.message_type.name for field in one.fields} == {
        name: kind.__name__ for name, kind in BODIES.items()
    }


@pytest.mark.parametrize("kind", BODIES.values())
def test_a_dataclass_has_the_fields_of_its_message(kind: type[messages.Body]) -> None:
    described = cart_pb2.DESCRIPTOR.message_types_by_name[kind.__name__]
    assert [field.name for field in fields(kind)] == [field.name for field in described.fields]


@pytest.mark.parametrize(("name", "kind"), ENUMS.items())
def test_an_enum_has_the_numbers_of_the_schema(name: str, kind: type[IntEnum]) -> None:
    described = cart_pb2.DESCRIPTOR.enum_types_by_name[name]
    assert [value.number for value in described.values] == [int(member) for member in kind]
    assert all(value.name.endswith(member.name) for value, member in zip(described.values, kind, strict=True))
    assert set(cart_pb2.DESCRIPTOR.enum_types_by_name) == set(ENUMS)


@pytest.mark.parametrize(
    "body",
    [
        Input(7, 1, True, 2**32 - 1, 3),
        Ack(0, 0),
        Hello(1, 0, SCHEMA_HASH, 2, 9, 0, False, 0, 31, 24, "reference cart"),
    ],
)
def test_a_message_comes_back_as_it_was(body: messages.Body) -> None:
    assert message_from_bytes(bytes_from_message(Message(5, body))) == Message(5, body)


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x1a\x7f", bytes(128)])
def test_bytes_that_are_no_message_are_none(data: bytes) -> None:
    assert message_from_bytes(data) is None


@pytest.mark.parametrize(("data", "sequence"), [(b"\x08\x07", 7), (b"\x08\x07\xfa\x01\x01a", 7)])
def test_a_body_that_is_not_known_here_is_a_message_that_says_nothing(data: bytes, sequence: int) -> None:
    assert message_from_bytes(data) == Message(sequence, None)
    with pytest.raises(ValueError, match="without a body"):
        bytes_from_message(Message(sequence, None))


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        bytes_from_message(Message(1, Ack(2**32, 0)))
