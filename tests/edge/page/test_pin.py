"""The PIN: who has it gets a session, who guesses waits longer and longer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.page import pin
from edge.page.pin import COOKIE, Doorkeeper, pin_from_file
from edge.page.replies import ReplyError
from tests.edge.page.asking import HOST, Reply, ask
from tests.edge.page.conftest import Apps


class Clock:
    """Stands still until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(clock: Clock) -> Doorkeeper:
    return Doorkeeper("2468", clock)


def cookie(session: str) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", f"other=1; {COOKIE}={session}".encode())]


def locked(keeper: Doorkeeper, address: str = "a", tried: str = "2468") -> int | None:
    try:
        keeper.session_from_pin(tried, address)
    except ReplyError as refusal:
        assert refusal.status == 429
        return refusal.retry_after_s
    return None


def login(apps: Apps, form: bytes, **headers: str | None) -> Reply:
    return ask(apps.with_pin, "POST", "/login", form, **{"origin": f"http://{HOST}", "x_token": None, **headers})


def test_the_right_pin_makes_a_session_that_ends_with_the_shift(keeper: Doorkeeper, clock: Clock) -> None:
    session = keeper.session_from_pin("2468", "a")
    assert session is not None
    assert keeper.knows(cookie(session))
    clock.now_s += pin.SESSION_S + 1
    assert not keeper.knows(cookie(session))


@pytest.mark.parametrize("wrong", ["", "2467", "24680", "0000", "２４６８", "2468\n", "x" * 10_000])
def test_a_wrong_pin_makes_none(keeper: Doorkeeper, wrong: str) -> None:
    assert keeper.session_from_pin(wrong, "a") is None


@pytest.mark.parametrize("session", ["", "x", "null", "../..", '"', "ü"])
def test_a_made_up_session_is_not_known(keeper: Doorkeeper, session: str) -> None:
    assert not keeper.knows(cookie(session))
    assert not keeper.knows([])


def test_after_five_wrong_tries_even_the_right_one_waits_and_each_further_one_longer(
    keeper: Doorkeeper, clock: Clock
) -> None:
    waits = []
    for _ in range(pin.TRIES):
        assert locked(keeper, tried="1111") is None
    for _ in range(8):
        waits.append(locked(keeper))
        clock.now_s += waits[-1] or 0
        assert locked(keeper, tried="1111") is None
    assert waits[:3] == [61, 121, 241]
    assert max(wait or 0 for wait in waits) <= pin.MAX_LOCK_S + 1
    assert locked(keeper, "b") is None, "another address is not locked out with it"


def test_many_addresses_are_held_up_together(keeper: Doorkeeper, clock: Clock) -> None:
    for number in range(pin.TRIES_OF_ALL):
        assert locked(keeper, f"a{number}", "1111") is None
    assert locked(keeper, "new") is not None
    clock.now_s += pin.LOCK_S + 1
    assert locked(keeper, "new") is None


def test_what_is_remembered_has_a_limit(keeper: Doorkeeper, clock: Clock) -> None:
    for number in range(3 * pin.MAX_ADDRESSES):
        clock.now_s += pin.MAX_LOCK_S + 1
        keeper.session_from_pin("1111", f"a{number}")
    clock.now_s += pin.MAX_LOCK_S + 1
    sessions = [keeper.session_from_pin("2468", "a") or "" for _ in range(pin.MAX_SESSIONS + 1)]
    assert [keeper.knows(cookie(session)) for session in (sessions[0], sessions[1], sessions[-1])] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("wrong", ["", "123", "1" * 13, "12a4", "12 34", "１２３４"])
def test_a_pin_is_4_to_12_digits(wrong: str) -> None:
    with pytest.raises(UsageError):
        Doorkeeper(wrong, time.monotonic)


def test_a_pin_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("135790\n")
    file.chmod(0o600)
    assert pin_from_file(file) == "135790"
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(UsageError, match="others"):
            pin_from_file(file)


@pytest.mark.parametrize("content", [b"", b"12", b"\xff\xff\xff\xff", b"1234 5678"])
def test_a_pin_file_without_a_pin_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pin"
    file.write_bytes(content)
    file.chmod(0o600)
    for path in (file, tmp_path / "none", tmp_path):
        with pytest.raises(UsageError):
            pin_from_file(path)


def test_without_a_session_there_is_the_question_and_nothing_else(apps: Apps) -> None:
    page = ask(apps.with_pin, "GET", "/")
    assert b"/login" in page.body
    assert b"the-token" not in page.body
    assert ask(apps.with_pin, "GET", "/healthz").status == 200
    assert ask(apps.with_pin, "GET", "/static/login.css").status == 200
    for path in ("/api/view", "/api/live.jpg", "/api/events", "/metrics", "/static/page.js", "/nowhere", "/static//x"):
        assert ask(apps.with_pin, "GET", path).status == 401


def test_the_token_alone_is_not_enough(apps: Apps) -> None:
    assert ask(apps.with_pin, "POST", "/api/orders/pause", {}).status == 401


def test_the_right_pin_opens_the_page(apps: Apps) -> None:
    reply = login(apps, b"pin=2468")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    value, *attributes = [part.strip().lower() for part in reply.headers["set-cookie"].split(";")]
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= set(attributes)
    session = reply.headers["set-cookie"].partition(";")[0]
    assert b"the-token" in ask(apps.with_pin, "GET", "/", cookie=session).body
    assert ask(apps.with_pin, "GET", "/api/view", cookie=session).status == 200
    assert ask(apps.with_pin, "GET", "/api/view", cookie=value.upper()).status == 401


@pytest.mark.parametrize(
    "form", [b"pin=1111", b"", b"pin", b"pin=2468&pin=1", b"PIN=2468", b"\xff=%ff", b'{"pin":"2468"}']
)
def test_another_pin_is_asked_for_again(apps: Apps, form: bytes) -> None:
    reply = login(apps, form)
    assert (reply.status, "set-cookie" in reply.headers) == (401, False)
    assert b'data-state="wrong"' in reply.body


def test_too_many_tries_show_that_one_waits(apps: Apps) -> None:
    for _ in range(pin.TRIES):
        assert login(apps, b"pin=1111").status == 401
    reply = login(apps, b"pin=2468")
    assert (reply.status, b'data-state="locked"' in reply.body, int(reply.headers["retry-after"]) > 50) == (
        429,
        True,
        True,
    )


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_another_page_cannot_try(apps: Apps, origin: str | None) -> None:
    assert login(apps, b"pin=2468", origin=origin).status == 403


def test_a_long_form_is_not_read(apps: Apps) -> None:
    assert login(apps, b"pin=" + b"1" * 1000).status == 413
