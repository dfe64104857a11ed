"""What a box says to the C library, with the cart's clock in the test's hand."""

from __future__ import annotations

from firmware_bridge.proto import cart_pb2 as cart
from firmware_bridge.proto.schema import MAJOR, SCHEMA_HASH
from tests.firmware_bridge.cart.c_programs import Driver, Outcome

CART_BOOT, BOX_BOOT = 77, 9
START_MS = 2**32 - 1500  # the clock wraps in the middle of most tests
FREEZE, FOOT = cart.BUTTON_FREEZE, cart.BUTTON_FOOT


def at(after_ms: int) -> int:
    """The cart's clock, milliseconds after its start."""
    return (START_MS + after_ms) % 2**32


def hello(**changes: object) -> cart.Message:
    """What the box says first."""
    fields: dict[str, object] = {
        "major": MAJOR, "schema_hash": SCHEMA_HASH, "role": cart.ROLE_BOX, "boot_id": BOX_BOOT,
        "heard_boot_id": CART_BOOT, "ready": True,
    }  # fmt: skip
    return cart.Message(sequence=1, hello=cart.Hello(**{**fields, **changes}))  # type: ignore[arg-type]


def health(age_ms: int = 100, ai_on: bool = True) -> cart.Message:
    return cart.Message(sequence=2, health=cart.Health(ai_on=ai_on, has_result=True, result_age_ms=age_ms))


def result(age_ms: int = 100) -> cart.Message:
    answer = cart.PlaneResult(
        answer=cart.ANSWER_PLANE, row=1, confidence=cart.CONFIDENCE_HIGH, age_ms=age_ms, plane="TTV"
    )
    return cart.Message(sequence=3, plane_result=answer)


def buzz(event_id: int, sequence: int = 50) -> cart.Message:
    return cart.Message(sequence=sequence, buzz=cart.Buzz(event_id=event_id, signal=cart.SIGNAL_CAPTURED))


def led(event_id: int, pattern: cart.LampPattern, lamp: cart.Lamp = cart.LAMP_ATTENTION) -> cart.Message:
    return cart.Message(sequence=60 + event_id, led=cart.Led(event_id=event_id, lamp=lamp, pattern=pattern))


def start(driver: Driver) -> Outcome:
    return driver.call("init", START_MS, CART_BOOT)


def up(driver: Driver) -> Outcome:
    """Start, and let the box agree."""
    start(driver)
    return driver.receive(at(10), hello())


def bodies(outcome: Outcome) -> list[str | None]:
    return [message.WhichOneof("body") for message in outcome.sent]
