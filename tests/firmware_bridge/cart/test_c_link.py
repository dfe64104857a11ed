"""The rules of the cart's side, each by name: the C library under the sanitizers, its clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.proto import cart_pb2 as cart
from firmware_bridge.proto.schema import MAJOR, SCHEMA_HASH
from tests.firmware_bridge.cart.c_programs import Driver, Outcome

pytestmark = pytest.mark.peer
CART_BOOT, BOX_BOOT = 77, 9
START_MS = 2**32 - 1500  # the clock wraps in the middle of most tests
FREEZE, FOOT = cart.BUTTON_FREEZE, cart.BUTTON_FOOT


@pytest.fixture
def driver(c_driver: Path) -> Iterator[Driver]:
    with Driver(c_driver) as running:
        yield running


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


def test_no_boot_id_no_link(driver: Driver) -> None:
    assert driver.call("init", 0, 0).status == 1


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


def test_ai_is_off_when_the_result_grows_old_behind_a_living_heartbeat(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(100), health(), result(100)).shown[-1]["ai"] == "on"
    assert driver.receive(at(1100), health(1100)).shown == ()
    assert driver.tick(at(1999)).shown == ()
    gone = driver.tick(at(2000)).shown[-1]
    assert (gone["link"], gone["ai"], gone["answer"], gone["plane"]) == ("up", "off", "none", "")


def test_ai_is_off_when_the_box_says_so(driver: Driver) -> None:
    up(driver)
    driver.receive(at(100), health(), result())
    assert driver.receive(at(200), health(ai_on=False)).shown[-1]["ai"] == "off"
    again = driver.receive(at(300), health(200)).shown[-1]
    assert (again["ai"], again["plane"]) == ("on", "TTV")


def test_result_that_is_old_when_it_comes_is_never_shown(driver: Driver) -> None:
    up(driver)
    shown = driver.receive(at(100), health(2000), result(2000)).shown[-1]
    assert (shown["ai"], shown["answer"]) == ("off", "none")


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


def test_bell_rings_once_a_second_and_ten_times_a_minute(driver: Driver) -> None:
    up(driver)
    rung, statuses = [], []
    for number in range(150):
        done = driver.receive(at(100 + number * 500), hello(), buzz(number + 1))
        rung += [number * 500] * len(done.rung)
        statuses += [message.ack.status for message in done.sent if message.HasField("ack")]
    assert rung == [*range(0, 10_000, 1000), *range(60_000, 70_000, 1000)]
    assert statuses.count(cart.STATUS_RATE_LIMITED) == 150 - 20


def test_lamp_changes_twice_a_second_and_keeps_the_last(driver: Driver) -> None:
    up(driver)
    shown = []
    for number in range(100):  # one second, the last says on
        pattern = cart.LAMP_PATTERN_ON if number % 2 else cart.LAMP_PATTERN_OFF
        done = driver.receive(at(600 + number * 10), led(number + 1, pattern))
        shown += [view["attention"] for view in done.shown]
    assert shown == ["on", "off"]
    assert driver.tick(at(1620)).shown[-1]["attention"] == "on"


@pytest.mark.parametrize("lamp", [0, 2, 200])
def test_no_other_lamp_can_be_commanded(driver: Driver, lamp: cart.Lamp) -> None:
    up(driver)
    done = driver.receive(at(700), led(1, cart.LAMP_PATTERN_ON, lamp))
    assert done.sent[-1].ack.status == cart.STATUS_UNKNOWN
    assert done.shown == ()


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


def test_checklist_is_cut_to_its_rows_and_empty_without_an_exam(driver: Driver) -> None:
    up(driver)
    full = cart.Checklist(is_open=True, total=5, captured=2**32 - 1, low_quality=2)
    shown = driver.receive(at(20), cart.Message(checklist=full)).shown[-1]
    assert (shown["rows"], shown["captured"], shown["weak"]) == ("5", "0000001f", "00000002")
    full.is_open = False
    assert driver.receive(at(30), cart.Message(checklist=full)).shown[-1]["captured"] == "00000000"


def test_clock_question_is_answered_at_once(driver: Driver) -> None:
    up(driver)
    done = driver.receive(at(40), cart.Message(time_sync=cart.TimeSync(sent_ms=5)))
    assert done.sent[0].time_sync == cart.TimeSync(is_answer=True, sent_ms=at(40), echo_ms=5)
