"""`edge bridge cart` as a process between a scripted plane check and a cart in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import MachineError, PeerError
from edge.service.orders import Acknowledge, Freeze, Pause
from firmware_bridge.cart import sim
from firmware_bridge.cart.hello import sim_hello
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.firmware_bridge.bridging import bridging, started
from tests.firmware_bridge.cart.carts import Cart, unix_place, waiting_cart
from tests.firmware_bridge.scripted_service import scripted_service

FEMUR, ABDOMEN = "femur", "abdomen"
SCAN_S = 0.5  # between two scans: an answer is shown for 2 s


@pytest.fixture
def box() -> ScriptedBedside:
    made = ScriptedBedside()
    made.open()
    return made


@pytest.fixture
def service(box: ScriptedBedside, tmp_path: Path) -> Iterator[Path]:
    with scripted_service(box, tmp_path / "api.sock") as path:
        yield path


@pytest.fixture
def cart(tmp_path: Path) -> Iterator[Cart]:
    with waiting_cart(unix_place(tmp_path)) as made:
        yield made


@pytest.fixture
def bridge(service: Path, cart: Cart) -> Iterator[Any]:
    with bridging("cart", "--port", cart.address, "--socket", service) as running:
        cart.until_lamps(link="up", exam="running")
        yield running


def row_of(box: ScriptedBedside, plane: str) -> int:
    exam = box.view().exam
    assert exam is not None
    return [row.plane for row in exam.checklist.rows].index(plane)


def scan_until_lamps(cart: Cart, box: ScriptedBedside, plane: str, **wanted: object) -> None:
    """Scan until the lamps show this: again, since a starved bridge may bring an answer too late to be shown."""
    scanned_s = float("-inf")

    def are_shown(cart: Cart) -> bool:
        nonlocal scanned_s
        if time.monotonic() - scanned_s > SCAN_S:
            box.scan(plane)
            scanned_s = time.monotonic()
        return wanted.items() <= cart.lamps.items()

    cart.until(are_shown)


def test_a_captured_plane_lights_its_lamp_and_rings_and_the_answer_shows_while_it_is_young(
    bridge: Any, box: ScriptedBedside, cart: Cart
) -> None:
    assert cart.lamps["ai_off"]
    box.scan(FEMUR)
    cart.until_lamps(ai_off=False, answer="plane", plane=FEMUR, row=row_of(box, FEMUR), confidence="high")
    cart.until(lambda cart: cart.lamps["rows"][row_of(box, FEMUR)] == "captured")
    cart.until(lambda cart: [bell["signal"] for bell in cart.heard("bell")] == ["captured"])
    took_s = cart.until_lamps(ai_off=True, plane="", answer="none")  # the scripted engine says nothing more
    assert took_s < 3.0
    assert cart.lamps["link"] == "up"
    assert cart.lamps["rows"][row_of(box, FEMUR)] == "captured"


def test_a_hung_inference_behind_a_living_service_turns_the_ai_off(
    bridge: Any, box: ScriptedBedside, cart: Cart
) -> None:
    scan_until_lamps(cart, box, FEMUR, ai_off=False)
    box.show(engine__ai_on=False)
    assert cart.until_lamps(ai_off=True) < 1.5


def test_a_service_that_dies_turns_the_ai_off_and_it_comes_back_with_it(
    box: ScriptedBedside, cart: Cart, tmp_path: Path
) -> None:
    path = tmp_path / "api.sock"
    with bridging("cart", "--port", cart.address, "--socket", path) as bridge:
        with scripted_service(box, path):
            bridge.wait(lambda line: line == {"event": "service", "is_away": False})
            scan_until_lamps(cart, box, FEMUR, ai_off=False)
        assert cart.until_lamps(ai_off=True) < 3.0
        bridge.wait(lambda line: line == {"event": "service", "is_away": True})
        with scripted_service(box, path):
            scan_until_lamps(cart, box, ABDOMEN, ai_off=False)


def test_a_key_becomes_one_order_and_is_acknowledged_when_it_is_carried_out(
    bridge: Any, box: ScriptedBedside, cart: Cart
) -> None:
    cart.sim.press("f")
    cart.until(lambda cart: len(cart.heard("answered")) == 2)
    assert [type(order) for order in box.orders] == [Freeze]
    assert cart.heard("answered") == [
        {"event": "answered", "button": "freeze", "pressed": True, "status": "ok"},
        {"event": "answered", "button": "freeze", "pressed": False, "status": "ok"},
    ]
    bridge.wait(lambda line: line == {"event": "key", "button": "freeze", "pressed": False, "status": "ok"})
    cart.sim.press("s")
    cart.until(lambda cart: len(cart.heard("answered")) == 4)
    assert [type(order) for order in box.orders] == [Freeze, Freeze]


def test_a_key_that_the_plane_check_refuses_is_answered_as_failed(
    bridge: Any, box: ScriptedBedside, cart: Cart
) -> None:
    box.show(refusal=MachineError("The store is full.", "Free some space."))
    cart.sim.press("f")
    cart.until(lambda cart: bool(cart.heard("answered")))
    assert cart.heard("answered")[0]["status"] == "failed"
    told = bridge.wait(lambda line: line["event"] == "order")
    assert (told["status"], told["error"], told["cure"]) == ("failed", "The store is full.", "Free some space.")


def test_the_foot_switch_means_what_was_set(service: Path, box: ScriptedBedside, cart: Cart) -> None:
    with bridging("cart", "--port", cart.address, "--socket", service, "--foot", "pause"):
        cart.until_lamps(link="up", exam="running")
        cart.sim.press("s")
        cart.until_lamps(exam="paused")
        assert [type(order) for order in box.orders] == [Pause]
        cart.sim.press("s")
        cart.until_lamps(exam="running")


def test_another_patients_exam_blinks_and_sounds_until_it_is_acknowledged(
    service: Path, box: ScriptedBedside, cart: Cart
) -> None:
    with bridging("cart", "--port", cart.address, "--socket", service, "--foot", "acknowledge"):
        cart.until_lamps(link="up", attention="off", exam="running")
        box.put_up(box.open("P-0002"), changed=True)
        cart.until_lamps(attention="blink")
        cart.until(lambda cart: [bell["signal"] for bell in cart.heard("bell")] == ["attention"])
        cart.sim.press("s")
        cart.until_lamps(attention="off")
        assert [type(order) for order in box.orders] == [Acknowledge]


def test_a_sound_that_matters_comes_behind_that_of_a_capture(bridge: Any, box: ScriptedBedside, cart: Cart) -> None:
    box.scan(FEMUR)
    cart.until(lambda cart: len(cart.heard("bell")) == 1)
    box.put_up(box.open("P-0002"), changed=True)  # the cart would not ring so soon
    cart.until(lambda cart: [bell["signal"] for bell in cart.heard("bell")] == ["captured", "attention"], 5.0)


def test_a_sound_that_matters_comes_again_where_the_cart_was_not_ready_for_it(
    bridge: Any, box: ScriptedBedside, cart: Cart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim, "BELL_S", 3.0)  # as after ten sounds in a minute
    box.scan(FEMUR)
    cart.until(lambda cart: len(cart.heard("bell")) == 1)
    box.put_up(box.open("P-0002"), changed=True)
    cart.until(lambda cart: [bell["signal"] for bell in cart.heard("bell")] == ["captured", "attention"])
    bridge.wait(lambda line: (line["event"], line.get("status")) == ("bell", "rate_limited"))


def test_an_unplugged_cart_is_back_within_two_seconds_with_everything_it_showed(
    bridge: Any, box: ScriptedBedside, cart: Cart
) -> None:
    box.scan(FEMUR)
    cart.until(lambda cart: cart.lamps["rows"] != [] and cart.lamps["rows"][row_of(box, FEMUR)] == "captured")
    for _ in range(5):
        cart.line.drop(PeerError("Unplugged.", "Plug it in."))
        cart.until_lamps(link="closed", rows=[])
        took_s = cart.until(lambda cart: "captured" in cart.lamps["rows"])
        assert took_s < 2.0


def test_a_cart_that_restarts_is_told_everything_and_its_keys_count_anew(
    bridge: Any, box: ScriptedBedside, cart: Cart, tmp_path: Path
) -> None:
    box.show(source__signal="lost")
    cart.until_lamps(attention="on")
    cart.sim.press("f")
    cart.until(lambda cart: len(cart.heard("answered")) == 2)
    with waiting_cart(f"unix:{tmp_path / 'other.sock'}") as other:
        (tmp_path / "cart.sock").unlink()
        (tmp_path / "cart.sock").symlink_to(tmp_path / "other.sock")
        cart.line.__exit__(None, None, None)  # now: who comes back to the old socket waits there for ever
        other.until_lamps(link="up", exam="running", attention="on")
        other.sim.press("f")
        other.until(lambda cart: len(cart.heard("answered")) == 2)
    assert [type(order) for order in box.orders] == [Freeze, Freeze]


def test_a_cart_that_does_not_fit_is_refused_with_a_clear_message(service: Path, tmp_path: Path) -> None:
    with (
        waiting_cart(unix_place(tmp_path), replace(sim_hello(), major=9)) as cart,
        bridging("cart", "--port", cart.address, "--socket", service) as bridge,
    ):
        cart.until_lamps(link="refused", ai_off=True)
        told = bridge.wait(lambda line: line["event"] == "link" and line["state"] == "refused")
        assert told["reason"] == ("the cart speaks version 9.0 of the link, this box 1.0: install matching versions")


def test_a_port_that_is_not_there_is_told_once_and_tried_again(service: Path, tmp_path: Path) -> None:
    with bridging("cart", "--port", f"unix:{tmp_path / 'cart.sock'}", "--socket", service) as bridge:
        told = bridge.wait(lambda line: line["event"] == "port")
        assert "No cart answers at" in told["error"]
        assert told["cure"]
        with waiting_cart(unix_place(tmp_path)) as cart:
            cart.until_lamps(link="up")
        code, err = bridge.end()
    assert (code, err) == (0, "")


@pytest.mark.parametrize("arguments", [("--port", "com1"), ("--foot", "kick"), ("--port", "tcp:localhost")])
def test_options_that_mean_nothing_are_refused_at_once(arguments: tuple[str, str]) -> None:
    code, out = started("cart", *arguments)
    assert code == 2
    assert '"cure"' in out
