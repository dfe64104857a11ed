"""The rules of the link, each by name; the clock is the test's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_bridge.cart.frames import Frames, frame_from_message
from firmware_bridge.cart.hello import sim_hello
from firmware_bridge.cart.link import TABLE, Link
from firmware_bridge.cart.link_states import Answered, Changed, Delivered, Happening, Resynced, State
from firmware_bridge.cart.messages import (
    Button,
    Buzz,
    Checklist,
    Health,
    Hello,
    Input,
    Lamp,
    LampPattern,
    Led,
    Message,
    PlaneResult,
    Signal,
    Status,
    TimeSync,
    message_from_bytes,
)  # fmt: skip
from tests.firmware_bridge.cart.two_ends import Ends

PRESS = Input(0, Button.FREEZE, True, 1000, 0)
RESULT = PlaneResult(1, 0, 3, 100, False, "femur")
LIST = Checklist(True, False, 5, 1, 0, 0, 0)


@pytest.fixture
def ends() -> Ends:
    return Ends().open()


def said(data: bytes) -> list[Message]:
    found = [message_from_bytes(payload) for payload in Frames().feed(data)]
    return [message for message in found if message is not None]


def deaf(data: bytes) -> bytes:
    return b""


def delivered(outcomes: list[object], kind: type) -> list[object]:
    return [o.body for o in outcomes if isinstance(o, Delivered) and isinstance(o.body, kind)]


def test_both_ends_are_up_after_they_heard_each_other() -> None:
    ends = Ends()
    ends.box.opened(0.0)
    ends.run(3.0)
    assert ends.box.state is State.GREETING
    ends.cart.opened(ends.now_s)
    ends.settle()
    assert (ends.box.state, ends.cart.state) == (State.UP, State.UP)
    assert ends.box.peer is not None
    assert ends.box.peer.firmware.startswith("edge sim cart")


def test_a_hello_is_repeated_four_times_a_second_until_the_link_is_up() -> None:
    ends = Ends(to_cart=deaf)
    ends.box.opened(0.0)
    hellos = 0
    for _ in range(100):
        ends.now_s += 0.01
        ends.box.tick(ends.now_s)
        hellos += len(said(ends.box.take_written()))
    assert hellos in (4, 5)


def test_each_side_says_each_second_that_it_lives(ends: Ends) -> None:
    ends.run(10.0)
    assert 9 <= len(delivered(ends.cart_heard, Health)) <= 11
    assert 9 <= len(delivered(ends.box_heard, Health)) <= 11


def test_damaged_frames_are_counted_since_the_start_whatever_became_of_the_line(ends: Ends) -> None:
    ends.box.received(b"damaged\0", ends.now_s)
    ends.box.lost(ends.now_s)
    assert ends.box.frames.damaged == 1


def test_two_seconds_of_silence_end_the_link_and_it_comes_back_by_itself(ends: Ends) -> None:
    ends.to_cart = ends.to_box = deaf
    ends.run(1.9)
    assert ends.box.state is State.UP
    ends.run(0.2)
    assert (ends.box.state, ends.cart.state) == (State.GREETING, State.GREETING)
    ends.to_cart = ends.to_box = lambda data: data
    ends.run(0.3)
    assert (ends.box.state, ends.cart.state) == (State.UP, State.UP)


@pytest.mark.parametrize(("payload", "state", "damaged"), [(b"\xff", State.GREETING, 22), (b"\x08\x01", State.UP, 0)])
def test_a_whole_frame_is_a_sign_of_life_only_where_it_is_a_message(
    ends: Ends, payload: bytes, state: State, damaged: int
) -> None:
    for _ in range(22):
        ends.now_s += 0.1
        ends.box.received(frame_from_message(payload), ends.now_s)
        ends.box.tick(ends.now_s)
    assert (ends.box.state, ends.box.frames.damaged) == (state, damaged)


def test_an_unplugged_line_is_closed_at_once_and_up_with_the_first_hello(ends: Ends) -> None:
    ends.box.lost(ends.now_s)
    assert ends.box.state is State.CLOSED
    ends.now_s += 5.0
    ends.box.opened(ends.now_s)
    ends.settle()
    assert ends.box.state is State.UP


def test_an_event_is_delivered_once_and_answered_with_what_was_said_of_it(ends: Ends) -> None:
    ends.cart.post(PRESS, ends.now_s)
    ends.settle()
    assert delivered(ends.box_heard, Input) == [replace(PRESS, event_id=1)]
    assert ends.cart.unanswered == 1
    ends.box.answer(1, Status.STALE)
    ends.settle()
    assert ends.cart_heard == [Answered(replace(PRESS, event_id=1), Status.STALE)]
    assert ends.cart.unanswered == 0


def test_an_event_is_repeated_five_times_with_one_sequence_and_then_the_link_begins_with_hello(ends: Ends) -> None:
    ends.box.post(Buzz(0, Signal.CAPTURED), ends.now_s)
    messages = said(ends.box.take_written())
    for _ in range(40):
        ends.now_s += 0.01
        ends.box.tick(ends.now_s)
        messages += said(ends.box.take_written())
    bells = [message for message in messages if isinstance(message.body, Buzz)]
    assert len(bells) == 6
    assert len({(bell.sequence, bell.body) for bell in bells}) == 1
    assert ends.box.state is State.GREETING
    ends.run(0.3)
    assert ends.box.state is State.UP
    assert delivered(ends.cart_heard, Buzz) == [Buzz(1, Signal.CAPTURED)]


def test_a_repetition_is_answered_with_the_first_status_and_not_delivered_again(ends: Ends) -> None:
    ends.box.post(Buzz(0, Signal.CAPTURED), ends.now_s)
    frame = ends.box.take_written()
    for _ in range(3):
        ends.cart.received(frame, ends.now_s)
    assert [type(o) for o in ends.cart.take_outcomes()] == [Delivered]
    assert ends.cart.take_written() == b""  # it is still being carried out
    ends.cart.answer(1, Status.RATE_LIMITED)
    ends.cart.received(frame, ends.now_s)
    answers = [message.body for message in said(ends.cart.take_written())]
    assert len(answers) == 2
    assert answers[0] == answers[1]


def test_an_event_waits_while_the_link_is_down_and_tells_its_age_when_it_is_sent() -> None:
    ends = Ends()
    ends.cart.opened(0.0)
    ends.cart.post(PRESS, 0.0)
    ends.run(3.0)
    ends.box.opened(ends.now_s)
    ends.run(0.3)
    (pressed,) = delivered(ends.box_heard, Input)
    assert isinstance(pressed, Input)
    assert 2900 <= pressed.age_ms <= 3400


def test_no_more_events_wait_than_there_is_room_for_and_the_sender_is_told() -> None:
    cart = Link(sim_hello(), 0.0)
    assert [cart.post(PRESS, 0.0) for _ in range(17)] == [True] * 16 + [False]


def test_of_one_lamp_only_the_newest_waits(ends: Ends) -> None:
    ends.box.lost(ends.now_s)
    for pattern in (LampPattern.ON, LampPattern.OFF, LampPattern.BLINK):
        ends.box.post(Led(0, Lamp.ATTENTION, pattern), ends.now_s)
    ends.box.opened(ends.now_s)
    ends.settle()
    assert delivered(ends.cart_heard, Led) == [Led(1, Lamp.ATTENTION, LampPattern.BLINK)]


def test_results_are_sent_at_most_ten_times_a_second_and_the_newest_wins(ends: Ends) -> None:
    for number in range(100):
        ends.box.tell(replace(RESULT, row=number % 30), ends.now_s)
        ends.run(0.01)
    ends.run(0.1)
    heard = delivered(ends.cart_heard, PlaneResult)
    assert 10 <= len(heard) <= 13
    assert isinstance(heard[-1], PlaneResult)
    assert heard[-1].row == 99 % 30


def test_a_result_is_said_again_each_second_and_its_age_goes_on(ends: Ends) -> None:
    ends.box.tell(RESULT, ends.now_s)
    ends.box.tell(Health(0, 0, 0, True, True, 100), ends.now_s)
    ends.run(3.5)
    ages = [body.age_ms for body in delivered(ends.cart_heard, PlaneResult) if isinstance(body, PlaneResult)]
    assert ages[0] == 100
    assert ages[-1] >= 2900
    assert ages == sorted(ages)
    healths = [body for body in delivered(ends.cart_heard, Health) if isinstance(body, Health) and body.ai_on]
    assert healths[-1].result_age_ms >= 2900


def test_ai_off_does_not_wait_for_the_next_second(ends: Ends) -> None:
    ends.box.tell(Health(0, 0, 0, True, True, 0), ends.now_s)
    ends.settle()
    ends.cart_heard.clear()
    ends.box.tell(Health(0, 0, 0, False, True, 0), ends.now_s)
    ends.settle()
    (health,) = delivered(ends.cart_heard, Health)
    assert isinstance(health, Health)
    assert not health.ai_on


def test_a_new_boot_of_the_cart_is_told_everything_again_and_its_events_count_from_one(ends: Ends) -> None:
    ends.box.tell(LIST, ends.now_s)
    ends.cart.post(PRESS, ends.now_s)
    ends.settle()
    ends.box.answer(1, Status.OK)
    ends.settle()
    ends.box_heard.clear()
    ends.new_cart()
    ends.cart_heard.clear()
    ends.cart.post(PRESS, ends.now_s)
    ends.settle()
    states = [outcome.state for outcome in ends.box_heard if isinstance(outcome, Changed)]
    assert states == [State.GREETING, State.UP]
    assert LIST in delivered(ends.cart_heard, Checklist)
    assert delivered(ends.box_heard, Input) == [replace(PRESS, event_id=1)]


def test_an_order_of_the_boot_before_does_not_answer_the_new_ones_key(ends: Ends) -> None:
    ends.cart.post(PRESS, ends.now_s)
    ends.settle()
    ends.new_cart()
    ends.settle()
    ends.box.answer(1, Status.OK)  # there is no such event any more
    ends.settle()
    assert not [outcome for outcome in ends.cart_heard if isinstance(outcome, Answered)]


def test_a_peer_that_begins_anew_with_the_same_boot_is_told_everything_again(ends: Ends) -> None:
    ends.box.tell(LIST, ends.now_s)
    ends.settle()
    ends.cart.lost(ends.now_s)
    ends.cart_heard.clear()
    ends.cart.opened(ends.now_s)
    ends.settle()
    assert ends.box.state is State.UP
    assert [o for o in ends.box_heard if isinstance(o, Resynced)]
    assert LIST in delivered(ends.cart_heard, Checklist)


def test_the_other_clock_is_answered_at_once(ends: Ends) -> None:
    ends.now_s = 5.0
    ends.box.ask_time(ends.now_s)
    ends.settle()
    assert delivered(ends.box_heard, TimeSync) == [TimeSync(True, 5000, 5000)]


def test_every_row_of_the_table_keeps_a_closed_link_closed_until_it_is_opened() -> None:
    rows = [(happening, state) for happening, state in TABLE if state is State.CLOSED]
    assert rows == [(Happening.OPENED, State.CLOSED)]
    lost = {state: TABLE[Happening.LOST, state][1] for state in State if state is not State.CLOSED}
    assert set(lost.values()) == {State.CLOSED}
    assert {happening for happening, _ in TABLE} == set(Happening)


def test_no_message_of_the_schema_commands_the_scanner() -> None:
    """A box can light a lamp and ring a bell; a message that could do more must not be added without this test."""
    events = {kind.__name__ for kind in (Led, Buzz, Hello, PlaneResult, Checklist, Health, TimeSync, Input)}
    from firmware_bridge.cart.messages import BODIES

    assert {kind.__name__ for kind in BODIES.values()} == events | {"Ack"}
    assert set(Lamp) == {Lamp.UNKNOWN, Lamp.ATTENTION}
