"""The question for the PIN: a page of one field, and the answer to it.

In: a form. Out: a cookie and the way to the page, or the question again.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.page.assets import asset_from_name
from edge.page.bodies import body_within
from edge.page.pin import COOKIE, SESSION_S, Doorkeeper
from edge.page.replies import ReplyError, missing

MAX_FORM_BYTES = 256  # pin=, and twelve digits
PATIENCE_S = 5.0


async def answer_to_pin(doorkeeper: Doorkeeper, request: Request) -> Response:
    """Compare a PIN.

    Args:
        doorkeeper: knows it.
        request: a form with the field "pin".

    Raises:
        ReplyError: the body is too long or too slow.
    """
    body = await body_within(request, MAX_FORM_BYTES, PATIENCE_S)
    pin = dict(parse_qsl(body.decode("latin-1"))).get("pin", "")
    try:
        session = doorkeeper.session_from_pin(pin, request.client.host if request.client else "")
    except ReplyError as refusal:
        return login_page("locked", refusal.status, refusal.retry_after_s)
    if session is None:
        return login_page("wrong", 401)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(COOKIE, session, max_age=int(SESSION_S), secure=True, httponly=True, samesite="strict")
    return response


def login_page(state: str = "new", status: int = 200, retry_after_s: int | None = None) -> Response:
    """The question.

    Args:
        state: "new", "wrong" or "locked"; the page's style shows what it means.
        status: HTTP status.
        retry_after_s: when another try makes sense; None: now.

    Raises:
        ReplyError: the page was not installed.
    """
    page = asset_from_name("login.html")
    if page is None:
        raise missing("page")
    html, kind = page
    response = Response(html.replace(b"{{state}}", state.encode()), status, media_type=kind)
    if retry_after_s is not None:
        response.headers["retry-after"] = str(retry_after_s)
    return response
