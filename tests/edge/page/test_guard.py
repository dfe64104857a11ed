"""Who may come in: names of the box, this page, this start's token."""

from __future__ import annotations

import asyncio

import pytest

from edge.page.guard import HEADERS
from tests.edge.page.asking import HOST, TOKEN, answered, ask, scope_of
from tests.edge.page.conftest import Apps

PAUSE = "/api/orders/pause"
STRANGERS = (
    "http://evil.example",
    "null",
    "",
    "https://127.0.0.1:8711",
    "http://127.0.0.1:8712",
    "http://localhost:8711",
)


def pause_of(apps: Apps) -> dict[str, str]:
    exam = apps.box.view().exam
    assert exam is not None
    return {"by": "", "exam": exam.checklist.exam}


@pytest.mark.parametrize("host", ["127.0.0.1:8711", "localhost:8711", "LOCALHOST:8711", "[::1]:8711"])
def test_a_name_of_the_box_is_let_in(apps: Apps, host: str) -> None:
    assert ask(apps.tcp, "GET", "/healthz", host=host).json == {"ok": True}


@pytest.mark.parametrize(
    "host",
    (
        *("evil.example:8711", "127.0.0.1", "127.0.0.1:8712", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:8711:8711", ""),
        *("10.0.0.7:8711", "localhost.evil.example:8711", "[::1]", "127.0.0.1:08711x", "127.0.0.1:-8711", None),
    ),
)
def test_a_name_that_is_not_the_boxs_is_refused(apps: Apps, host: str | None) -> None:
    reply = ask(apps.tcp, "GET", "/api/view", host=host)
    assert (reply.status, reply.json["exit_code"]) == (403, 2)


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_pages_request_is_refused_even_with_the_token(apps: Apps, method: str, origin: str) -> None:
    reply = ask(apps.tcp, method, PAUSE if method == "POST" else "/api/view", pause_of(apps), origin=origin)
    assert reply.status == 403
    assert apps.box.orders == []


def test_the_pages_own_request_is_carried_out(apps: Apps) -> None:
    assert (
        ask(apps.tcp, "POST", PAUSE, pause_of(apps), origin=f"http://{HOST}", sec_fetch_site="same-origin").status
        == 200
    )
    assert len(apps.box.orders) == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_an_image_or_frame_of_another_page_is_refused(apps: Apps, site: str) -> None:
    assert ask(apps.tcp, "GET", "/api/live.jpg", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403
    assert ask(apps.tcp, "GET", "/", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403


def test_a_link_from_elsewhere_opens_the_page(apps: Apps) -> None:
    assert ask(apps.tcp, "GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status == 200


@pytest.mark.parametrize("token", [None, "", "the-toke", "the-token-", "THE-TOKEN", "\xff", "nulltoken"])
def test_every_post_needs_the_token_of_this_start(apps: Apps, token: str | None) -> None:
    assert ask(apps.tcp, "POST", PAUSE, pause_of(apps), x_token=token).status == 403
    assert apps.box.orders == []


def test_the_token_stands_in_the_page_and_nowhere_else(apps: Apps) -> None:
    assert f'content="{TOKEN}"'.encode() in ask(apps.tcp, "GET", "/").body
    others = ("/api/view", "/metrics", "/healthz", "/static/page.js", "/static/index.html", "/nowhere")
    assert all(TOKEN.encode() not in ask(apps.tcp, "GET", path).body for path in others)


@pytest.mark.parametrize("name", ["host", "origin", "x-token", "sec-fetch-site"])
def test_a_header_of_the_guard_may_stand_there_once(apps: Apps, name: str) -> None:
    values = {"host": HOST, "origin": f"http://{HOST}", "x-token": TOKEN, "sec-fetch-site": "same-origin"}
    headers = [(key.encode(), value.encode()) for key, value in values.items()]
    headers.append((name.encode(), values[name].encode()))
    assert asyncio.run(answered(apps.tcp, scope_of("POST", PAUSE, headers))).status == 400


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "CONNECT", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/view", "/api/orders/pause", "/nowhere"])
def test_other_methods_are_refused(apps: Apps, method: str, path: str) -> None:
    assert ask(apps.tcp, method, path).status == 405


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/view"), ("GET", "/api/orders/pause"), ("POST", "/")])
def test_an_address_takes_its_own_method_only(apps: Apps, method: str, path: str) -> None:
    reply = ask(apps.tcp, method, path)
    assert reply.status == 405
    assert reply.headers["allow"]
    assert reply.json["cure"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/view/", "//api/view", "/static/", "/static", "/static/../api.py", "/.env"]
)
def test_an_unknown_address_is_404_in_json(apps: Apps, path: str) -> None:
    reply = ask(apps.tcp, "GET", path)
    assert reply.status == 404
    assert set(reply.json) == {"error", "cure", "exit_code", "word"}


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [("GET", "/", HOST), ("GET", "/healthz", HOST), ("GET", "/nowhere", HOST), ("PUT", "/", HOST), ("GET", "/", "x")],
)
def test_every_answer_carries_the_security_headers(apps: Apps, method: str, path: str, host: str) -> None:
    assert HEADERS.items() <= ask(apps.tcp, method, path, host=host).headers.items()


def test_the_policy_allows_nothing_from_elsewhere_and_no_inline_code() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


def test_a_fault_of_the_program_is_one_line_and_told_to_the_service(apps: Apps) -> None:
    apps.box.show(refusal=RuntimeError("secret"))
    reply = ask(apps.tcp, "POST", PAUSE, pause_of(apps))
    assert (reply.status, reply.json["exit_code"]) == (500, 1)
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    assert [str(error) for error in apps.faults] == ["secret"]


def test_a_websocket_is_closed_at_once(apps: Apps) -> None:
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    asyncio.run(apps.tcp({"type": "websocket", "path": "/api/events", "headers": []}, receive, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"]


def test_the_socket_asks_for_no_token(apps: Apps) -> None:
    assert ask(apps.unix, "POST", PAUSE, pause_of(apps), host="localhost", x_token=None).status == 200


@pytest.mark.parametrize("header", ["origin", "cookie", "referer", "sec_fetch_site", "sec_ch_ua"])
def test_a_browser_behind_a_relay_does_not_reach_the_socket(apps: Apps, header: str) -> None:
    assert ask(apps.unix, "GET", "/api/view", host="localhost", **{header: "http://localhost"}).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8711", "localhost:8711", "evil.example", "", None])
def test_the_socket_has_one_name(apps: Apps, host: str | None) -> None:
    assert ask(apps.unix, "GET", "/healthz", host=host).status == 403


def test_each_transport_has_its_own_addresses(apps: Apps) -> None:
    assert ask(apps.tcp, "POST", "/api/frames").status == 404
    assert ask(apps.tcp, "POST", "/login", origin=f"http://{HOST}").status == 404
    assert ask(apps.unix, "GET", "/", host="localhost").status == 404
    assert ask(apps.unix, "GET", "/static/page.js", host="localhost").status == 404
