"""Events over a bad wire: each arrives once, whatever happens to its frames."""

from __future__ import annotations

import pytest

from firmware_bridge.cart.link_states import Answered, Delivered, State
from firmware_bridge.cart.messages import Button, Buzz, Input, Lamp, LampPattern, Led, Signal, Status
from tests.firmware_bridge.cart.damaged import BadWire
from tests.firmware_bridge.cart.two_ends import Ends, clean

EVENTS = 2000
STEP_S = 0.005


def deliver(ends: Ends, count: int) -> tuple[list[Input], list[Buzz], int]:
    """Events in both directions at once; what each end acted on, and how many answers came back."""
    pressed, rung, answers, posted = [], [], 0, 0
    while answers < 2 * count:
        ends.now_s += STEP_S
        assert ends.now_s < 10 * count, "no progress"
        for link in (ends.box, ends.cart):
            link.tick(ends.now_s)
        if posted < count and ends.cart.unanswered < 8 and ends.box.unanswered < 8:
            posted += 1
            assert ends.cart.post(Input(0, Button.FREEZE, bool(posted % 2), posted, 0), ends.now_s)
            assert ends.box.post(Buzz(0, 1 + posted % 3), ends.now_s)
        ends.exchange()
        for outcome in ends.box_heard:
            if isinstance(outcome, Delivered) and isinstance(outcome.body, Input):
                pressed.append(outcome.body)
                ends.box.answer(outcome.body.event_id, Status.OK)
        for outcome in ends.cart_heard:
            if isinstance(outcome, Delivered) and isinstance(outcome.body, Buzz):
                rung.append(outcome.body)
                ends.cart.answer(outcome.body.event_id, Status.RATE_LIMITED)
        heard = [outcome for outcome in ends.box_heard + ends.cart_heard if isinstance(outcome, Answered)]
        assert all(o.status == (Status.OK if isinstance(o.event, Input) else Status.RATE_LIMITED) for o in heard)
        answers += len(heard)
        ends.box_heard.clear()
        ends.cart_heard.clear()
    return pressed, rung, answers


@pytest.mark.parametrize("seed", [1, 2])
def test_none_is_lost_doubled_or_wrong_with_a_tenth_of_the_frames_damaged(seed: int) -> None:
    there, back = BadWire(seed), BadWire(seed + 100)
    ends = Ends(to_cart=there.pass_on, to_box=back.pass_on)
    ends.box.opened(0.0)
    ends.cart.opened(0.0)
    pressed, rung, answers = deliver(ends, EVENTS)
    assert there.hurt + back.hurt > EVENTS // 3
    assert [body.time_ms for body in pressed] == list(range(1, EVENTS + 1))
    assert [body.event_id for body in pressed] == list(range(1, EVENTS + 1))
    assert [body.pressed for body in pressed] == [bool(number % 2) for number in range(1, EVENTS + 1)]
    assert [body.signal for body in rung] == [1 + number % 3 for number in range(1, EVENTS + 1)]
    assert answers == 2 * EVENTS


def test_the_same_holds_where_most_frames_are_damaged_and_the_link_falls_again_and_again() -> None:
    ends = Ends(to_cart=BadWire(3, 0.6).pass_on, to_box=BadWire(4, 0.6).pass_on)
    ends.box.opened(0.0)
    ends.cart.opened(0.0)
    pressed, rung, _ = deliver(ends, 100)
    assert [body.event_id for body in pressed] == [body.event_id for body in rung] == list(range(1, 101))
    assert ends.box.frames.damaged > 20


def test_what_was_unsaid_while_the_link_was_down_is_not_said_after_it() -> None:
    ends = Ends().open()
    ends.to_cart = lambda data: b""
    for event in (Buzz(0, Signal.CAPTURED), Led(0, Lamp.ATTENTION, LampPattern.ON), Buzz(0, Signal.COMPLETE)):
        assert ends.box.post(event, ends.now_s)
    ends.run(3.0)
    assert ends.box.state is not State.UP
    ends.box.withdraw(Buzz)
    assert ends.box.unanswered == 1
    ends.to_cart = clean
    ends.run(1.0)
    said = [o.body for o in ends.cart_heard if isinstance(o, Delivered)]
    assert [type(body) for body in said if isinstance(body, (Buzz, Led))] == [Led]


def test_a_restart_of_the_cart_in_the_midst_of_it_loses_nothing_that_the_box_says() -> None:
    ends = Ends(to_cart=BadWire(5).pass_on, to_box=BadWire(6).pass_on)
    ends.box.opened(0.0)
    rung = []
    for number in range(100):
        ends.new_cart()
        assert ends.box.post(Buzz(0, Signal.CAPTURED), ends.now_s)
        while ends.box.unanswered:
            ends.run(0.05)
            events = [o.body for o in ends.cart_heard if isinstance(o, Delivered) and isinstance(o.body, Buzz)]
            for event in events:
                ends.cart.answer(event.event_id, Status.OK)
            rung += [event.event_id for event in events]
            ends.cart_heard.clear()
        assert rung == list(range(1, number + 2))
    assert ends.box.state is State.UP
