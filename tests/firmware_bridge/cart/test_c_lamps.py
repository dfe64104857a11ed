""" "AI off", lamp, bell and checklist of the cart: the C library under the sanitizers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.proto import cart_pb2 as cart
from tests.firmware_bridge.cart.box_messages import at, buzz, health, hello, led, result, up
from tests.firmware_bridge.cart.c_programs import Driver

pytestmark = pytest.mark.peer


@pytest.fixture
def driver(c_driver: Path) -> Iterator[Driver]:
    with Driver(c_driver) as running:
        yield running


def test_ai_is_off_when_the_result_grows_old_behind_a_living_heartbeat(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(100), health(), result(100)).shown[-1]["ai"] == "on"
    assert driver.receive(at(1100), health(1100)).shown == ()
    assert driver.tick(at(1999)).shown == ()
    gone = driver.tick(at(2000)).shown[-1]
    assert (gone["link"], gone["ai"], gone["answer"], gone["plane"]) == ("up", "off", "none", "")


def test_a_heartbeat_that_tells_of_a_result_that_was_lost_does_not_make_the_shown_one_young(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(100), health(), result(100)).shown[-1]["ai"] == "on"
    assert driver.receive(at(1990), health(20)).shown == ()
    assert driver.tick(at(2000)).shown[-1]["ai"] == "off"
    assert driver.receive(at(2010), health(30)).shown == ()
    assert driver.receive(at(2020), result(30)).shown[-1]["ai"] == "on"
    assert driver.receive(at(4100), health(50)).shown[-1]["ai"] == "off"  # both in one turn: the time has passed first


def test_a_heartbeat_that_tells_that_the_result_is_older_ends_it_sooner(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(100), result(100), health(1500)).shown[-1]["ai"] == "on"
    assert driver.tick(at(599)).shown == ()
    assert driver.tick(at(600)).shown[-1]["ai"] == "off"


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


def test_a_link_that_comes_and_goes_darkens_the_lamp_at_once_and_does_not_flash_it(driver: Driver) -> None:
    up(driver)
    assert driver.receive(at(700), led(1, cart.LAMP_PATTERN_ON)).shown[-1]["attention"] == "on"
    gone = driver.receive(at(1300), hello(boot_id=10, heard_boot_id=0))
    assert gone.shown[-1]["attention"] == "off"
    back = driver.receive(at(1310), hello(boot_id=10), led(1, cart.LAMP_PATTERN_ON))
    assert back.shown[-1]["attention"] == "off"
    assert driver.tick(at(1799)).shown == ()
    assert driver.tick(at(1800)).shown[-1]["attention"] == "on"


@pytest.mark.parametrize("lamp", [0, 2, 200])
def test_no_other_lamp_can_be_commanded(driver: Driver, lamp: cart.Lamp) -> None:
    up(driver)
    done = driver.receive(at(700), led(1, cart.LAMP_PATTERN_ON, lamp))
    assert done.sent[-1].ack.status == cart.STATUS_UNKNOWN
    assert done.shown == ()


def test_checklist_is_cut_to_its_rows_and_empty_without_an_exam(driver: Driver) -> None:
    up(driver)
    full = cart.Checklist(is_open=True, total=5, captured=2**32 - 1, low_quality=2)
    shown = driver.receive(at(20), cart.Message(checklist=full)).shown[-1]
    assert (shown["rows"], shown["captured"], shown["weak"]) == ("5", "0000001f", "00000002")
    full.is_open = False
    assert driver.receive(at(30), cart.Message(checklist=full)).shown[-1]["captured"] == "00000000"
