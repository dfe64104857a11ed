"""The rules of the cart's link and keys, each by name: the C library under the sanitizers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.proto import cart_pb2 as cart
from firmware_bridge.proto.schema import MAJOR, SCHEMA_HASH
from tests.firmware_bridge.cart.box_messages import (
    BOX_BOOT,
    CART_BOOT,
    FOOT,
    FREEZE,
    at,
    bodies,
    buzz,
    health,
    hello,
    led,
    result,
    start,
    up,
)
from tests.firmware_bridge.cart.c_programs import Driver

pytestmark = pytest.mark.peer


@pytest.fixture
def driver(c_driver: Path) -> Iterator[Driver]:
    with Driver(c_driver) as running:
        yield running


def test_no_boot_id_no_link(driver: Driver) -> None:
    assert driver.call("init", 0, 0).status == 1


@pytest.mark.parametrize(("name", "status"), [(b"c" * 31, 0), (b"c" * 32, 1), (b"caf\xc3\xa9", 1), (b"a\tb", 1)])
def test_a_name_that_the_box_could_not_read_is_refused_at_the_start(driver: Driver, name: bytes, status: int) -> None:
    done = driver.call("init", 0, CART_BOOT, name.hex())
    assert done.status == status
    assert [message.hello.firmware.encode() for message in done.sent] == [name] * (1 - status)


def test_hello_comes_first_and_each_quarter_second(driver: Driver) -> None:
    first = start(driver)
    assert (first.sent[0].hello.major, first.sent[0].hello.schema_hash) == (MAJOR, SCHEMA_HASH)
    assert (first.sent[0].hello.boot_id, first.sent[0].hello.heard_boot_id) == (CART_BOOT, 0)
    assert first.shown[-1]["ai"] == "off"
    assert [bodies(driver.tick(at(ms))) for ms in (249, 250, 499, 500)] == [[], ["hello"], [], ["hello"]]


def test_a_box_that_has_not_heard_the_cart_gets_hello_but_no_link(driver: Driver) -> None:
    start(driver)
    answer = driver.receive(at(5), hello(heard_boot_id=0, ready=False))
    assert (answer.sent[0].hello.heard_boot_id, answer.sent[0].hello.ready) == (BOX_BOOT, False)


def test_link_comes_up_when_both_have_heard(driver: Driver) -> None:
    done = up(driver)
    assert done.shown[-1]["link"] == "up"
    assert bodies(done) == ["health"]


def test_hello_of_a_ready_box_is_not_answered_and_of_another_is(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(20), hello()).sent == ()
    assert driver.receive(at(30), hello(ready=False)).sent[0].hello.ready


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"major": MAJOR + 1}, "major"), ({"schema_hash": 1}, "schema"), ({"role": cart.ROLE_CART}, "role")],
)
def test_what_does_not_fit_is_refused_by_name_and_not_answered(
    driver: Driver, wrong: dict[str, object], word: str
) -> None:
    up(driver)
    done = driver.receive(at(20), hello(**wrong, ready=False))
    assert (done.shown[-1]["link"], done.shown[-1]["refused"], done.sent) == ("refused", word, ())
    assert [bodies(driver.tick(at(ms))) for ms in (900, 1020)] == [[], ["hello"]]
    assert driver.receive(at(1100), buzz(1)).rung == ()
    assert driver.receive(at(1200), hello()).shown[-1]["link"] == "up"


def test_refusal_by_the_box_is_shown(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(20), hello(refusal=cart.REFUSAL_MAJOR)).shown[-1]["refused"] == "major"


def test_heartbeat_each_second_and_silence_of_two_ends_the_link(driver: Driver) -> None:
    up(driver)
    beats = [ms for ms in range(20, 2011, 10) if "health" in bodies(driver.tick(at(ms)))]
    assert beats == [1010]
    start(driver)
    driver.receive(at(10), hello(), health(), result())
    assert driver.tick(at(2009)).shown[-1]["ai"] == "off"
    assert driver.tick(at(2010)).shown[-1]["link"] == "down"


def test_press_is_repeated_five_times_with_one_id_and_then_after_hello(driver: Driver) -> None:
    up(driver)
    sent = list(driver.call("input", at(100), FREEZE, 1).sent)
    for ms in range(110, 401, 10):
        sent += driver.tick(at(ms)).sent
    copies = [message for message in sent if message.WhichOneof("body") == "input"]
    assert [message.input.age_ms for message in copies] == [0, 50, 100, 150, 200, 250]
    assert len({(message.sequence, message.input.event_id) for message in copies}) == 1
    assert sent[-1].WhichOneof("body") == "hello"
    assert not sent[-1].hello.ready
    again = driver.receive(at(500), hello())
    assert [(m.sequence, m.input.event_id, m.input.age_ms) for m in again.sent if m.HasField("input")] == [
        (copies[0].sequence, 1, 400)
    ]


def test_a_box_that_is_slow_to_carry_a_press_out_does_not_darken_the_lamps(driver: Driver) -> None:
    up(driver)
    driver.receive(at(100), health(), result(100))
    driver.call("input", at(110), FREEZE, 1)
    done = [driver.tick(at(ms)) for ms in range(120, 1900, 10)]
    assert [outcome.shown for outcome in done if outcome.shown] == []
    assert sum("hello" in bodies(outcome) for outcome in done) == 6  # after 300 ms, then each 250 ms
    again = driver.receive(at(1900), hello())
    assert bodies(again) == ["input"]
    assert bodies(driver.receive(at(1910), cart.Message(ack=cart.Ack(sequence=again.sent[0].sequence)))) == []
    assert driver.tick(at(2000)).shown[-1]["ai"] == "off"  # the age of the result goes on


def test_presses_go_one_at_a_time_in_order(driver: Driver) -> None:
    up(driver)
    first = driver.call("input", at(100), FREEZE, 1).sent[0]
    assert driver.call("input", at(101), FREEZE, 0).sent == ()
    wrong = driver.receive(at(102), cart.Message(sequence=9, ack=cart.Ack(sequence=first.sequence + 1)))
    assert wrong.sent == ()
    second = driver.receive(at(103), cart.Message(sequence=9, ack=cart.Ack(sequence=first.sequence))).sent[0]
    assert (second.input.event_id, second.input.pressed, second.input.time_ms) == (2, False, at(101))


def test_presses_wait_for_the_link_and_the_seventeenth_is_told_lost(driver: Driver) -> None:
    start(driver)
    states = [driver.call("input", at(1), FOOT, n % 2).status for n in range(17)]
    assert states == [0] * 16 + [2]
    done = driver.receive(at(10), hello())
    assert [m.health.lost_inputs for m in done.sent if m.HasField("health")] == [1]
    assert [m.input.event_id for m in done.sent if m.HasField("input")] == [1]


def test_a_press_that_waited_until_the_clock_wrapped_is_not_young_again(driver: Driver) -> None:
    start(driver)
    driver.call("input", at(20), FREEZE, 1)
    for weeks in range(1, 8):
        driver.tick(at(weeks * 7 * 24 * 3_600_000))
    done = driver.receive(at(2**32 + 30), hello())
    assert [m.input.age_ms >= 2**31 - 1 for m in done.sent if m.HasField("input")] == [True]


@pytest.mark.parametrize("button", [0, 3])
def test_unknown_button_is_no_press(driver: Driver, button: int) -> None:
    up(driver)
    assert driver.call("input", at(20), button, 1).status == 1


def test_repeated_command_acts_once_and_is_answered_as_before(driver: Driver) -> None:
    up(driver)
    first, again = driver.receive(at(100), buzz(1)), driver.receive(at(2000), buzz(1))
    assert (first.rung, again.rung) == ((1,), ())
    assert [message.ack for done in (first, again) for message in done.sent if message.HasField("ack")] == [
        cart.Ack(sequence=50)
    ] * 2


def test_another_boot_of_the_box_forgets_everything(driver: Driver) -> None:
    up(driver)
    driver.receive(at(700), health(), result(), buzz(5), led(6, cart.LAMP_PATTERN_ON))
    gone = driver.receive(at(800), hello(boot_id=10, heard_boot_id=0, ready=False))
    assert (gone.shown[-1]["link"], gone.shown[-1]["ai"], gone.shown[-1]["attention"]) == ("down", "off", "off")
    assert not gone.sent[-1].hello.ready
    driver.receive(at(900), hello(boot_id=10))
    assert driver.receive(at(1800), buzz(1)).rung == (1,)


def test_messages_before_the_agreement_are_not_acted_on(driver: Driver) -> None:
    start(driver)
    done = driver.receive(at(5), buzz(1), health(), result(), led(1, cart.LAMP_PATTERN_ON))
    assert (done.rung, done.sent, done.shown) == ((), (), ())


def test_clock_question_is_answered_at_once(driver: Driver) -> None:
    up(driver)
    done = driver.receive(at(40), cart.Message(time_sync=cart.TimeSync(sent_ms=5)))
    assert done.sent[0].time_sync == cart.TimeSync(is_answer=True, sent_ms=at(40), echo_ms=5)
