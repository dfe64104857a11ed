"""Make frames.json, which C and Python read: `python -m tests.firmware_bridge.cart.golden.make_frames` from the root.

`good`: a message with its fields, its bytes, its frame. `bad`: bytes without a message, and how many frames drop.
`streams`: bytes as they come from a line, with the messages that are to be found in them. `foreign`: whole frames whose
message does not fit the schema; they are dropped and counted as well.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from firmware_bridge.proto import cart_pb2 as cart
from firmware_bridge.proto.schema import MAJOR, MINOR, SCHEMA_HASH
from tests.firmware_bridge.cart.reference_frame import cobs_ref, crc32c_ref, frame_ref, messages_ref

TARGET = Path(__file__).with_name("frames.json")
FULL = 0xFFFFFFFF

MESSAGES = {
    "hello of a cart": cart.Message(
        sequence=1,
        hello=cart.Hello(
            major=MAJOR, minor=MINOR, schema_hash=SCHEMA_HASH, role=cart.ROLE_CART, boot_id=0x12345678, capabilities=31,
            rows=24, firmware="vmamba-edge reference cart 1.0",
        ),
    ),
    "hello, longest": cart.Message(
        sequence=FULL,
        hello=cart.Hello(
            major=65535, minor=65535, schema_hash=2**64 - 1, role=cart.ROLE_CART, boot_id=FULL, heard_boot_id=FULL,
            ready=True, refusal=cart.REFUSAL_ROLE, capabilities=FULL, rows=32, firmware="f" * 31,
        ),
    ),
    "hello that refuses": cart.Message(sequence=2, hello=cart.Hello(major=2, boot_id=9, refusal=cart.REFUSAL_MAJOR)),
    "input": cart.Message(
        sequence=7, input=cart.Input(event_id=3, button=cart.BUTTON_FREEZE, pressed=True, time_ms=123456, age_ms=50)
    ),
    "input, released": cart.Message(sequence=8, input=cart.Input(event_id=4, button=cart.BUTTON_FOOT, time_ms=FULL)),
    "result": cart.Message(
        sequence=9,
        plane_result=cart.PlaneResult(
            answer=cart.ANSWER_PLANE, row=2, confidence=cart.CONFIDENCE_HIGH, age_ms=180, synthetic=True, plane="TTV"
        ),
    ),
    "result, not standard": cart.Message(
        sequence=10, plane_result=cart.PlaneResult(answer=cart.ANSWER_NOT_STANDARD, row=32, age_ms=90)
    ),
    "checklist": cart.Message(
        sequence=11,
        checklist=cart.Checklist(
            is_open=True, total=21, captured=0x3, low_quality=0x2, not_obtainable=4, not_covered=0x1F0000
        ),
    ),
    "checklist, full": cart.Message(
        sequence=12,
        checklist=cart.Checklist(
            is_open=True, is_paused=True, total=32, captured=FULL, low_quality=FULL, not_obtainable=FULL,
            not_covered=FULL,
        ),
    ),
    "led": cart.Message(
        sequence=13, led=cart.Led(event_id=1, lamp=cart.LAMP_ATTENTION, pattern=cart.LAMP_PATTERN_BLINK)
    ),
    "buzz": cart.Message(sequence=14, buzz=cart.Buzz(event_id=2, signal=cart.SIGNAL_CAPTURED)),
    "health of a box": cart.Message(
        sequence=15, health=cart.Health(uptime_s=60, bad_frames=2, ai_on=True, has_result=True, result_age_ms=300)
    ),
    "health, empty": cart.Message(sequence=16, health=cart.Health()),
    "ack": cart.Message(sequence=17, ack=cart.Ack(sequence=7)),
    "ack, limited": cart.Message(sequence=18, ack=cart.Ack(sequence=256, status=cart.STATUS_RATE_LIMITED)),
    "time sync": cart.Message(sequence=19, time_sync=cart.TimeSync(is_answer=True, sent_ms=1000, echo_ms=FULL)),
    "nothing but a number": cart.Message(sequence=1),
}  # fmt: skip

INPUT = MESSAGES["input"].SerializeToString()
LED = MESSAGES["led"].SerializeToString()


def broken_frames() -> dict[str, bytes]:
    """Bytes without a message by what is wrong with them."""
    whole = frame_ref(INPUT)
    no_crc = cobs_ref(INPUT) + b"\0"
    return {
        "one bit flipped": whole[:5] + bytes([whole[5] ^ 4]) + whole[6:],
        "a byte dropped": whole[:4] + whole[5:],
        "a byte inserted": whole[:4] + b"\x55" + whole[4:],
        "truncated": whole[:6] + b"\0",
        "CRC big-endian": cobs_ref(INPUT + crc32c_ref(INPUT).to_bytes(4, "big")) + b"\0",
        "no CRC": no_crc,
        "CRC of nothing": cobs_ref(crc32c_ref(b"").to_bytes(4, "little")) + b"\0",
        "one byte": b"\x01\0",
        "block longer than the frame": b"\xff" + b"\x11" * 10 + b"\0",
        "129 bytes with a right CRC": cobs_ref(bytes(129) + crc32c_ref(bytes(129)).to_bytes(4, "little")) + b"\0",
        "2,000 bytes of noise": random.Random(1).randbytes(2_000).replace(b"\0", b"\1") + b"\0",
        "two frames grown together": whole[:-1] + frame_ref(LED),
    }


def streams() -> dict[str, bytes]:
    """Bytes as a line brings them."""
    noise = random.Random(2).randbytes(40).replace(b"\0", b"\1")
    return {
        "two messages": frame_ref(INPUT) + frame_ref(LED),
        "empty frames between": b"\0\0\0" + frame_ref(INPUT) + b"\0\0" + frame_ref(LED),
        "noise, delimiter, message": noise + b"\0" + frame_ref(INPUT),
        "noise spoils the next": noise + frame_ref(INPUT) + frame_ref(LED),
        "the last one is not whole yet": frame_ref(LED) + frame_ref(INPUT)[:-1],
        "128 zero bytes": frame_ref(bytes(128)),
        "128 bytes without a zero": frame_ref(b"\xa5" * 128),
        "one byte": frame_ref(b"\x08"),
        "long noise, then a message": b"\x77" * 1000 + b"\0" + frame_ref(INPUT),
    }


def document() -> dict[str, Any]:
    """Everything in frames.json."""
    texts = (b"", b"123456789", bytes(32), b"\xff" * 32, bytes(range(32)))  # RFC 3720, B.4
    foreign = {
        "a number cut off": b"\x08\xff",
        "a body longer than the message": b"\x1a\x7f\x08",
        "wrong wire type": b"\x0b",
    }
    return {
        "schema_hash": f"{SCHEMA_HASH:016x}",
        "crc32c": [{"data": data.hex(), "crc": crc32c_ref(data)} for data in texts],
        "good": [
            {
                "name": name,
                "fields": MessageToDict(message, preserving_proto_field_name=True),
                "message": message.SerializeToString(deterministic=True).hex(),
                "frame": frame_ref(message.SerializeToString(deterministic=True)).hex(),
            }
            for name, message in MESSAGES.items()
        ],
        "bad": [
            {"name": name, "bytes": data.hex(), "bad": messages_ref(data)[1]} for name, data in broken_frames().items()
        ],
        "streams": [
            {
                "name": name,
                "bytes": data.hex(),
                "messages": [message.hex() for message in messages_ref(data)[0]],
                "bad": messages_ref(data)[1],
            }
            for name, data in streams().items()
        ],
        "foreign": [{"name": name, "bytes": frame_ref(data).hex()} for name, data in foreign.items()],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(document(), indent=1) + "\n", "utf-8")
